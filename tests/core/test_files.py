"""The one way to write a file: whole or not at all, and nothing left beside it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from agent.core import files
from agent.core.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    write_atomically(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_where_the_disk_refuses_the_old_file_stays_and_nothing_is_left(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a"
    write_atomically(path, b"old")
    monkeypatch.setattr(*((files.os, "fsync") if step == "fsync" else (Path, "replace")), refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_data_lie_on_the_disk_before_the_name_changes_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda handle: (steps.append("sync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda path, other: (steps.append("rename"), replace(path, other))[1])
    write_atomically(tmp_path / "a", b"x")
    assert steps == (["sync", "rename"] if os.name == "nt" else ["sync", "rename", "sync"])


def test_threads_that_write_one_file_disturb_each_other_in_nothing(tmp_path: Path) -> None:
    path, contents = tmp_path / "a", [bytes([65 + i]) * 50_000 for i in range(4)]
    threads = [
        threading.Thread(target=lambda c=content: [write_atomically(path, c) for _ in range(5)]) for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]


def test_nobody_else_syncs_or_renames_what_it_has_written() -> None:
    """http/token.py makes a file that must not be there yet, which no renaming can do."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "agent").rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("fsync(", "os.replace(", "mkstemp("))
    }
    assert found == {"agent/core/files.py", "agent/http/token.py"}


@pytest.mark.skipif(os.name == "nt", reason="links and devices of POSIX")
def test_a_link_is_followed_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"through")
        assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    finally:
        os.close(reader)
