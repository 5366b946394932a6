"""Claims: files by which one of many processes takes a number; nobody deletes the claim of a process that lives.

A claim names its process, the machine and its space of process numbers: a container's process 7 is not this machine's,
and after a restart of the machine it is another process. Owns no file; calls block on the disk.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil

from agent.core.files import process_space


class _Owner(msgspec.Struct, frozen=True):
    """Who made a claim, and where its number counts; `boot`: of the machine, empty where none is known."""

    pid: int
    space: str
    boot: str = ""


def claim(path: Path) -> bool:
    """Make the file of a claim; False where another has it. Raises OSError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(_Owner(os.getpid(), process_space(), _boot())))
    return True


def is_abandoned(path: Path) -> bool:
    """True where the process that made a claim is gone; one of another machine, or unreadable, is left alone."""
    try:
        owner = msgspec.json.decode(path.read_bytes(), type=_Owner)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return False
    is_gone = (owner.boot and owner.boot != _boot()) or not psutil.pid_exists(owner.pid)
    return owner.space == process_space() and bool(is_gone)


def _boot() -> str:
    """What Linux calls the machine's run since it was started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
