"""Writing a file so that a reader, or a crash at any instant, sees the old file or the whole new one; reading text.

Text may begin with a byte order mark, as Windows editors write it: UTF-8 or UTF-16.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import itertools
import os
import platform
import random
import re
import select
import sys
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import psutil

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError

_COUNT = itertools.count(random.getrandbits(32))
"""Two processes of one number, in two containers, do not write one temporary."""
_TEMPORARY: Final = re.compile(r"\..+\.(\d{1,9})-\d+-([0-9a-f]{8})\.tmp")
_OPEN: Final = re.compile(r"/proc/(self|\d+)(/task/\d+)?/fd|/dev/fd")
READER_S: Final = 5.0
"""A pipe whose reader takes nothing for so long is given up."""
LEFTOVER_S: Final = 3600.0
"""A temporary whose process cannot be looked up is a leftover when nothing was written into it for so long."""
MAX_TEXT_BYTES: Final = 16 << 20
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode_text(data: bytes) -> str:
    """Text of UTF-8, or of what its byte order mark says, without the mark; raises UnicodeDecodeError."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    return data.decode("utf-8")


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """The text of a file, as `decode_text` reads it, lines ended by a line feed; raises OSError, UnicodeDecodeError.

    More than `max_bytes` is an OSError: a device such as `/dev/zero` has no end.
    """
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"holds more than {max_bytes >> 20} MiB")
    return decode_text(data).replace("\r\n", "\n")


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's tables, its text as `read_text` reads it; raises OSError, and ValueError for what is no TOML."""
    try:
        return tomllib.loads(read_text(path))
    except RecursionError as error:
        raise ValueError(f"{error}: nested too deep") from error


def expand_home(text: str) -> str:
    """A path with `~` or `~NAME` at its beginning replaced by that home; as it is where there is no such home."""
    return os.path.expanduser(text) if text.startswith("~") else text


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write beside as `.NAME.PID-N-SPACE.tmp`, sync, rename, sync the folder; text as UTF-8. Raises OSError.

    A link is followed. A device, a pipe or an open descriptor (`/dev/stdout`) is written into: it cannot be replaced.
    A pipe whose reader takes nothing for READER_S is an OSError.
    """
    data = data.encode() if isinstance(data, str) else data
    descriptor = _descriptor(path)
    if descriptor is not None or (path.exists() and not path.is_file()):
        handle = os.dup(descriptor) if descriptor is not None else _open_special(path)
        try:
            _write_while_read(handle, data)
        finally:
            os.close(handle)
        return
    path = path.resolve()
    beside = temporary_beside(path)
    try:
        _write_synced(beside, data, 0o666)
        beside.replace(path)
    finally:
        _forget(beside)
    sync_folder(path.parent)


@contextlib.contextmanager
def held_open(path: Path) -> Iterator[Path]:
    """A context with a path to write to; a descriptor such as `/dev/stdout` means in it what it means now.

    Raises OSError where the descriptor is closed.
    """
    descriptor = _descriptor(path)
    if descriptor is None:
        yield path
        return
    kept = os.dup(descriptor)
    try:
        yield Path(f"/dev/fd/{kept}")
    finally:
        os.close(kept)


def _write_while_read(handle: int, data: bytes) -> None:
    """Write into a pipe or a device; raises OSError where there is no room in it for READER_S.

    The descriptor may be shared and block: no more is written at once than a pipe with room takes.
    """
    if sys.platform == "win32":
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(data)
        return
    room = select.poll()
    room.register(handle, select.POLLOUT)
    rest = memoryview(data)
    while rest:
        if not room.poll(READER_S * 1000.0):
            raise OSError(errno.ETIMEDOUT, f"its reader took nothing for {READER_S:.0f} s")
        with contextlib.suppress(BlockingIOError):  # another writer was first
            rest = rest[os.write(handle, rest[: select.PIPE_BUF]) :]


def _open_special(path: Path) -> int:
    """A device or a pipe, open for writing; raises OSError for a pipe that nobody reads, which would be waited for."""
    try:
        handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno == errno.ENXIO and path.is_fifo():
            raise OSError(errno.ENXIO, "nobody reads this pipe") from error
        raise
    return handle


def create_atomically(path: Path, data: bytes | str, mode: int) -> bool:
    """Make a file that is whole from its first instant, with the permissions `mode`; raises OSError.

    False, and nothing is changed, where it is there already.
    """
    beside = temporary_beside(path)
    try:
        _write_synced(beside, data, mode)
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if path.exists():
                return False
            beside.replace(path)
    finally:
        _forget(beside)
    sync_folder(path.parent)
    return True


def check_output(option: str, path: Path) -> None:
    """Try now what `write_atomically` needs later; raises SettingsError naming the option, such as `--report`."""
    if path.is_dir():
        raise SettingsError(f"{option} {path}: is a folder; name a file")
    if _descriptor(path) is not None or (path.exists() and not path.is_file()):
        if not os.access(path, os.W_OK):
            raise SettingsError(f"{option} {path}: cannot be written to; name another")
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise SettingsError(f"{option} {path}: the folder {folder} does not exist; make it first")
    check_folder(option, folder)


def check_folder(option: str, folder: Path) -> None:
    """Raise SettingsError where no file can be made in an existing folder."""
    beside = temporary_beside(folder / "try")
    try:
        _write_synced(beside, b"", 0o600)
    except OSError as error:
        raise SettingsError(f"{option}: no file can be made in {folder}: {error.strerror or error}") from error
    finally:
        _forget(beside)


def _descriptor(path: Path) -> int | None:
    """The open descriptor of this process that a path such as `/dev/stdout` stands for, None for other paths."""
    for _ in range(40):  # as many links as Linux follows
        if path.name.isdecimal() and _OPEN.fullmatch(os.path.realpath(path.parent)):
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / os.readlink(path)
    return None


def temporary_beside(path: Path) -> Path:
    """A name for what becomes `path` once it is whole; `remove_leftovers` deletes it when this process is gone."""
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_COUNT)}-{_space_hash()}.tmp")


def process_space() -> str:
    """This machine and its space of process numbers: a container's process 7 is not this machine's."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return f"{platform.node()} {numbers}"


def _space_hash() -> str:
    return f"{zlib.crc32(process_space().encode()):08x}"


def _write_synced(path: Path, data: bytes | str, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
        sync_file(file)


def sync_file(file: IO[bytes]) -> None:
    """What was written into an open file is on the disk when this returns. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


def _forget(path: Path) -> None:
    """Delete a temporary that is no longer needed; where the disk refuses, the error before it counts."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete temporaries of `write_atomically` whose process has ended; those that are being written stay.

    The process may be another machine's or container's, and cannot be looked up: then a temporary goes at LEFTOVER_S.
    """
    if not folder.is_dir():
        return
    for path in folder.glob(".*.tmp"):
        owner = _TEMPORARY.fullmatch(path.name)
        if owner is not None and owner[2] == _space_hash():
            is_used = _writes(int(owner[1]), path)
        else:
            is_used = _is_recent(path)
        if not is_used:
            _forget(path)


def _is_recent(path: Path) -> bool:
    """True where something was written into a file less than LEFTOVER_S ago, or that cannot be known."""
    try:
        return SystemClock().wall_utc_ns() * 1e-9 - path.stat().st_mtime < LEFTOVER_S
    except OSError:
        return True


def _writes(pid: int, path: Path) -> bool:
    """True where a process of this number lives that is older than the file: another may have had its number."""
    try:
        return bool(psutil.Process(pid).create_time() <= path.stat().st_mtime + 1.0)
    except (psutil.Error, OSError):
        return False


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last; where folders cannot be synced (Windows), the file system sees to it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
