"""Writing a file so that a reader, or a crash at any instant, sees the old file or the whole new one."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

_COUNT = itertools.count()


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write beside as `.NAME.PID-N.tmp`, sync, rename, sync the folder; text as UTF-8. Raises OSError.

    A link is followed. A device or a pipe is written into: it cannot be replaced.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return
    path = path.resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}-{next(_COUNT)}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last; where folders cannot be synced (Windows), the file system sees to it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
