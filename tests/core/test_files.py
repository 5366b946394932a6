"""The one way to write a file: whole or not at all, and nothing left beside it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from agent.core import files
from agent.core.errors import SettingsError
from agent.core.files import check_output, create_atomically, decode_text, remove_leftovers, write_atomically

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
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "agent").rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("fsync(", "os.replace(", "mkstemp("))
    }
    assert found == {"agent/core/files.py"}


@pytest.mark.skipif(os.name == "nt", reason="links and devices of POSIX")
def test_a_link_is_followed_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="nobody reads this pipe"):
        write_atomically(pipe, b"not waited for")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"through")
        assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="descriptors as files")
def test_an_open_descriptor_is_written_into_and_the_file_behind_it_is_not_replaced(tmp_path: Path) -> None:
    behind, link = tmp_path / "out.txt", tmp_path / "stdout"
    handle = os.open(behind, os.O_WRONLY | os.O_CREAT)
    try:
        link.symlink_to(f"/proc/self/fd/{handle}")
        os.write(handle, b"first, ")
        for path in (Path(f"/dev/fd/{handle}"), link):
            check_output("--report", path)
            write_atomically(path, b"then ")
        os.write(handle, b"last")
    finally:
        os.close(handle)
    assert behind.read_bytes() == b"first, then then last" and link.is_symlink()
    with pytest.raises(OSError, match="descriptor"):
        write_atomically(link, b"closed")


def test_a_file_that_is_made_once_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            create_atomically(path, b"x", 0o600)
    assert list(tmp_path.iterdir()) == []
    assert create_atomically(path, b"mine", 0o600) and not create_atomically(path, b"another's", 0o600)
    assert path.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [path]
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600

    def no_links(*given: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.os, "link", no_links)
    assert create_atomically(tmp_path / "b", b"x", 0o600) and not create_atomically(path, b"y", 0o600)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_leftovers_of_ended_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    mine, former = tmp_path / f".a.{os.getpid()}-7.tmp", tmp_path / f".b.{os.getpid()}-7.tmp"
    ended, odd, other = tmp_path / ".a.999999999-0.tmp", tmp_path / ".c.tmp", tmp_path / "a.tmp"
    for path in (mine, former, ended, odd, other):
        path.touch()
    os.utime(former, (1e9, 1e9))  # of a process that had this number before, as each one in a container has
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, other.name])
    remove_leftovers(tmp_path / "none")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_is_read_as_windows_editors_write_it(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    assert decode_text((mark + "é = 1").encode(encoding)) == "é = 1"


def test_an_output_is_tried_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "new")
    for path in (tmp_path / "new", tmp_path / "link", Path(os.devnull)):
        check_output("--report", path)
    assert [p.name for p in tmp_path.iterdir()] == ["link"], "trying leaves nothing"
    for path, said in ((tmp_path, "is a folder"), (tmp_path / "no" / "r", "does not exist")):
        with pytest.raises(SettingsError, match=f"--report.*{said}"):
            check_output("--report", path)
    if Path("/proc/self").is_dir():
        with pytest.raises(SettingsError, match="no file can be made in /proc"):
            check_output("--report", Path("/proc/self/r.json"))
