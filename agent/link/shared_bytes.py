"""Bytes that two processes share: a file that is read and written, or mapped memory.

A file that shrinks gives fewer bytes; memory mapped from it would end this process with SIGBUS. Calls are short and do
not block.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Protocol


class Shared(Protocol):
    """The bytes of a map."""

    def size(self) -> int:
        """How many there are; 0 where the file was replaced or removed."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """Some bytes; fewer where the map has shrunk."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes that lie within the map."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SharedFile:
    """A map as a file, without mapping it."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))

    def size(self) -> int:
        found = os.fstat(self._handle)
        return found.st_size if found.st_nlink else 0

    def read(self, offset: int, count: int) -> bytes:
        return os.pread(self._handle, count, offset)

    def write(self, offset: int, data: bytes) -> None:
        os.pwrite(self._handle, data, offset)

    def close(self) -> None:
        os.close(self._handle)


class SharedMemory:
    """A map as memory: Windows' named maps, and its files, which cannot shrink while they are mapped."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._map = memory

    def size(self) -> int:
        return len(self._map)

    def read(self, offset: int, count: int) -> bytes:
        return self._map[offset : offset + count]

    def write(self, offset: int, data: bytes) -> None:
        self._map[offset : offset + len(data)] = data

    def close(self) -> None:
        self._map.close()
