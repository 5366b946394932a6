"""The bearer token of requests that write: from the settings, or made once in the user's configuration folder.

Never logged, never in a URL.
"""

from __future__ import annotations

import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.core.errors import SettingsError
from agent.core.files import create_atomically, decode_text
from agent.core.folders import config_folder, takes_files

FILE_NAME: Final = "http-token"
SETTING: Final = "METABONK_HTTP_TOKEN"


def load_token(given: str, folder: Path | None = None) -> str:
    """The token: `given` where it is not empty, else that of `folder` (the user's), made at the first start.

    Spaces and line ends around it do not count. Raises SettingsError where it cannot stand in a request's header, and
    where the file is empty, readable by others, or cannot be made.
    """
    if given.strip():
        return _checked(given.strip(), f"{SETTING}: write letters, digits and signs without spaces")
    path = (config_folder() if folder is None else folder) / FILE_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            create_atomically(path, secrets.token_urlsafe(32) + "\n", 0o600)
        mode = path.stat().st_mode
        text = decode_text(path.read_bytes()).strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}; set {SETTING} instead") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: holds no token; delete it and start again") from error
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path}: others can read it; run: chmod 600 {path}")
    if len(text) < 32:
        raise SettingsError(f"{path}: holds no token; delete it and start again")
    return _checked(text, f"{path}: holds no token; delete it and start again")


def session_token(given: str, say: Callable[[str], None]) -> str:
    """As `load_token`; where the user's folder takes no files, one that nobody knows, and `say` hears of it."""
    if not given.strip():
        try:
            folder = config_folder()
        except SettingsError:
            folder = None
        if folder is None or not takes_files(folder):
            say(f"There is no home that takes files: requests that write are refused; set {SETTING} to allow them.")
            return secrets.token_urlsafe(32)
    return load_token(given)


def _checked(token: str, otherwise: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(otherwise)
    return token
