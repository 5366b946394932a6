"""The bearer token of requests that write: from the settings, or made once in the user's configuration folder.

Never logged, never in a URL.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from platformdirs import user_config_dir

from agent.core.errors import SettingsError

FILE_NAME = "http-token"


def default_folder() -> Path:
    """The user's configuration folder of this program."""
    return Path(user_config_dir("metabonk-apex", appauthor=False))


def load_token(given: str, folder: Path) -> str:
    """The token: `given` where it is not empty, else that of `folder`, made at the first start.

    Raises SettingsError where the file is empty, readable by others, or cannot be made.
    """
    if given:
        return given
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make(path)
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}; set METABONK_HTTP_TOKEN instead") from error
    if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"{path}: others can read it; run: chmod 600 {path}")
    if len(text) < 32:
        raise SettingsError(f"{path}: holds no token; delete it and start again")
    return text


def _make(path: Path) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
