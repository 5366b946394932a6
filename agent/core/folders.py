"""Folders of the user: what is kept, configured and compiled; and where to go when there is no home that takes files.

A container may run as a user without a name, without a home, or with a home that cannot be written.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from platformdirs import user_cache_dir, user_config_dir, user_data_dir

from agent.core.errors import SettingsError

_NAME: Final = "metabonk-apex"
_SHARED_MEMORY: Final = Path("/dev/shm")


def home_folder() -> Path | None:
    """The user's home; None where none is known."""
    home = os.path.expanduser("~")
    return Path(home) if os.path.isabs(home) else None


def config_folder() -> Path:
    """Where the token lies; raises SettingsError where no home is known."""
    return _in_a_home(_of_user(user_config_dir), "METABONK_HTTP_TOKEN")


def data_folder() -> Path:
    """Where weights lie unless METABONK_WEIGHTS_DIR says otherwise; raises SettingsError where no home is known."""
    return _in_a_home(_of_user(user_data_dir), "METABONK_WEIGHTS_DIR")


def recordings_folder() -> Path:
    """Where recordings lie unless METABONK_RECORDINGS_DIR says otherwise; raises SettingsError without a home."""
    return _in_a_home(_of_user(user_data_dir) / "recordings", "METABONK_RECORDINGS_DIR")


def screens_folder() -> Path | None:
    """Where the screens of games are kept that menus were gone through in; None where no home is known."""
    folder = _of_user(user_data_dir) / "screens"
    return folder if folder.is_absolute() else None


def user_cache() -> Path:
    """The user's cache, whether it takes files or not; relative where no home is known."""
    return _of_user(user_cache_dir)


def cache_folder() -> Path:
    """Where what can be made again is kept: in the home, or in a temporary folder where the home takes no files."""
    wanted = user_cache()
    return wanted if takes_files(wanted) else temporary_folder() or wanted


def takes_files(folder: Path) -> bool:
    """True where a folder is there, or could be made, and this user may write in it; nothing is changed."""
    if not folder.is_absolute():  # `~` stays where no home is known
        return False
    for path in (folder, *folder.parents):
        if os.path.lexists(path):
            return os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)
    return False


def temporary_folder() -> Path | None:
    """This user's own folder beside other temporary files, made where it is missing; None where none takes files.

    A folder that another user made under its name is not taken: compiled code is read from it.
    """
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        places = [Path(tempfile.gettempdir()), _SHARED_MEMORY]
    except FileNotFoundError:
        places = [_SHARED_MEMORY]
    for place in places:
        folder = place / f"{_NAME}-{user}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            info = folder.lstat()
        except OSError:
            continue
        own = info.st_uid == user and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISDIR(info.st_mode) and (own or user == "user") and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _of_user(kind: Callable[..., str]) -> Path:
    try:
        return Path(kind(_NAME, appauthor=False))
    except RuntimeError:  # no home is known; older versions of platformdirs leave the `~`
        return Path("~") / _NAME


def _in_a_home(folder: Path, setting: str) -> Path:
    if not folder.is_absolute():
        raise SettingsError(f"this user has no home folder: set {setting}, or HOME")
    return folder
