"""Shared bytes: both kinds read and write the same, and a file that shrinks or goes is seen, not fatal."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest

from agent.link.shared_bytes import SharedFile, SharedMemory

posix = pytest.mark.skipif(sys.platform == "win32", reason="files that are mapped elsewhere are POSIX")


@posix
def test_a_file_and_its_mapped_memory_are_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_bytes(bytes(32))
    with path.open("r+b") as file:
        memory, other = SharedMemory(mmap.mmap(file.fileno(), 0)), SharedFile(path)
    memory.write(4, b"abcd")
    other.write(10, b"xy")
    for shared in (memory, other):
        assert shared.size() == 32 and shared.read(4, 4) == b"abcd" and shared.read(10, 2) == b"xy"
    memory.close()
    other.close()


@posix
def test_a_file_that_shrinks_gives_fewer_bytes_and_one_that_is_gone_none(tmp_path: Path) -> None:
    path = tmp_path / "map"
    path.write_bytes(bytes(32))
    shared = SharedFile(path)
    os.truncate(path, 6)
    assert shared.size() == 6 and len(shared.read(4, 4)) == 2 and shared.read(8, 4) == b""
    path.unlink()
    assert shared.size() == 0
    shared.close()
