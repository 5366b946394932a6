"""What recordings take on the disk: the oldest go first, and nothing that is being written.

Nothing here raises: what another process deleted meanwhile is gone, what may not be deleted stays. Calls block on the
disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from itertools import pairwise
from pathlib import Path

import msgspec

from agent.journal.records import WEIGHTS
from agent.journal.recover import CLAIM, is_live
from agent.journal.segment import PART


class Keep(msgspec.Struct, frozen=True):
    """What is kept on the disk: of this session the newest `window_s`, of all sessions beside it `max_bytes`.

    None: all. A folder that the user chose has no `max_bytes`: what lies beside it is nobody's recording.
    """

    window_s: float | None = None
    max_bytes: int | None = 2 << 30


def drop_old(folder: Path, keep: Keep, now_utc_s: float) -> None:
    """Delete the oldest segments: of this session beyond the window, of all sessions beyond the cap."""
    with contextlib.suppress(OSError):  # a folder that another process deletes meanwhile
        if keep.window_s is not None:
            _drop_before(folder, now_utc_s - keep.window_s)
        if keep.max_bytes is not None:
            _drop_over(folder.parent, keep.max_bytes)


def remove_recording(folder: Path) -> None:
    """Delete a recording; what is not of it stays, and its folder with it."""
    for path in folder.glob("segment-*"):
        _unlink(path)
    shutil.rmtree(folder / WEIGHTS, ignore_errors=True)
    _unlink(folder / CLAIM)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _drop_before(folder: Path, instant_s: float) -> None:
    """Delete what of a recording ended before an instant."""
    ended = [end_s for path in folder.glob("segment-*.mcap") if (end_s := _stat(path)[0]) < instant_s and _unlink(path)]
    if ended:
        _drop_weights(folder, max(ended))


def _drop_over(recordings: Path, max_bytes: int) -> None:
    """Delete the oldest segments of all recordings until no more than `max_bytes` are left, and what only they needed.

    The newest stays.
    """
    folders = {path.parent for path in recordings.glob("*/segment-*")}
    total = sum(_size(folder) for folder in folders)
    live = {folder for folder in folders if is_live(folder)}
    found = [
        (_stat(path)[0], path)
        for folder in folders
        for path in folder.glob("segment-*")
        if not (folder in live and path.suffix == PART)
    ]
    for end_s, path in sorted(found)[:-1]:
        if total <= max_bytes:
            return
        folder, before = path.parent, _size(path.parent)
        _unlink(path)
        if folder in live or any(folder.glob("segment-*")):
            _drop_weights(folder, end_s)
        else:
            remove_recording(folder)
        total -= before - _size(folder)


def _drop_weights(folder: Path, since_s: float) -> None:
    """Delete weights that acted in no segment that is kept: those that others followed before that instant."""
    files = sorted((_stat(path)[0], path) for path in (folder / WEIGHTS).glob("*"))
    for (_, path), (followed_s, _) in pairwise(files):
        if followed_s < since_s:
            _unlink(path)


def _size(folder: Path) -> int:
    """Bytes of all files of a recording."""
    return sum(_stat(path)[1] for path in folder.rglob("*") if path.is_file())


def _stat(path: Path) -> tuple[float, int]:
    """When a file was written last, and its bytes; a file that is gone is old and takes none."""
    try:
        found = os.stat(path)
    except OSError:
        return 0.0, 0
    return found.st_mtime, found.st_size


def _unlink(path: Path) -> bool:
    """Delete a file; False where that is not allowed."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
