"""An errand boy between the journal and the disk: the nth call of the operating system fails, all others work."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ERRORS = ("EIO", "ENOSPC", "EINTR", "short")
"""How a call fails; `short`: a write takes half of its bytes, any other call is refused by EIO."""
_OF_OS = ("open", "fsync", "fdatasync", "ftruncate", "dup")
_OF_PATH = ("mkdir", "unlink", "replace", "rmdir", "touch")


class Disk:
    """Counts calls, and lets the nth of them fail once; `failed` names it."""

    def __init__(self, fails_at: int, how: str) -> None:
        self.calls, self.failed = 0, ""
        self._fails_at, self._how = fails_at, how

    def is_due(self, name: str) -> bool:
        """Count a call; True where it is the one that fails."""
        self.calls += 1
        if self.calls == self._fails_at:
            self.failed = name
        return self.calls == self._fails_at

    def refuse(self) -> None:
        """Fail as a call of the operating system does."""
        number = errno.EIO if self._how == "short" else getattr(errno, self._how)
        raise OSError(number, os.strerror(number))

    def failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, which may fail."""

        def tried(*args: Any, **named: Any) -> Any:
            if self.is_due(name):
                self.refuse()
            return call(*args, **named)

        return tried

    def file(self, path: Path) -> io.BufferedWriter:
        """A new file whose writes may fail."""
        disk = self

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                if disk.is_due("write"):
                    if disk._how != "short" or len(data) < 2:
                        disk.refuse()
                    return super().write(memoryview(data)[: len(data) // 2])
                return super().write(data)

        return io.BufferedWriter(Raw(path, "x"))


@contextlib.contextmanager
def failing(fails_at: int, how: str) -> Iterator[Disk]:
    """Everything that the journal asks of the disk goes through the returned one."""
    disk, opened = Disk(fails_at, how), Path.open

    def open_path(self: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
        if disk.is_due("open"):
            disk.refuse()
        return disk.file(self) if mode == "xb" else opened(self, mode, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        for name in _OF_OS:
            patch.setattr(os, name, disk.failing(name, getattr(os, name)))
        for name in _OF_PATH:
            patch.setattr(Path, name, disk.failing(name, getattr(Path, name)))
        patch.setattr(Path, "open", open_path)
        yield disk
