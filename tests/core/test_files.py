"""The one way to write a file: whole or not at all, and nothing left beside it."""

from __future__ import annotations

import os
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from agent.core import files
from agent.core.errors import SettingsError
from agent.core.files import (
    check_output,
    create_atomically,
    decode_text,
    held_open,
    read_text,
    remove_leftovers,
    write_atomically,
)
from agent.core.settings import load_settings

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
    growing = {"agent/journal/segment.py", "agent/learner/remote/rollout_log.py"}  # they cannot be written anew
    assert found == {"agent/core/files.py"} | growing


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


@pytest.mark.skipif(sys.platform == "win32" or not Path("/dev/fd").is_dir(), reason="descriptors as files")
@pytest.mark.parametrize("is_named", [False, True])
def test_a_pipe_that_is_open_and_not_read_is_given_up(
    is_named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "READER_S", 0.1)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(pipe, os.O_WRONLY)
    said: list[OSError] = []

    def write() -> None:
        try:
            write_atomically(pipe if is_named else Path(f"/dev/fd/{writer}"), b"x" * 200_000)
        except OSError as error:
            said.append(error)

    try:
        writing = threading.Thread(target=write, daemon=True)
        writing.start()
        writing.join(60)
        assert not writing.is_alive() and "its reader took nothing" in str(said[0])
        assert os.get_blocking(writer), "others hold this descriptor too"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe of POSIX")
def test_a_long_report_goes_through_a_pipe_that_is_read_slowly() -> None:
    reader, writer = os.pipe()
    read: list[bytes] = []

    def take() -> None:
        while got := os.read(reader, 10_000):
            read.append(got)

    taking = threading.Thread(target=take)
    taking.start()
    data = bytes(range(256)) * 1000
    write_atomically(Path(f"/dev/fd/{writer}"), data)
    os.close(writer)
    taking.join(60)
    os.close(reader)
    assert b"".join(read) == data


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="descriptors as files")
def test_a_descriptor_that_is_held_open_means_what_it_meant_before(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    handle, other = (os.open(path, os.O_WRONLY | os.O_CREAT) for path in (first, second))
    try:
        with held_open(Path(f"/dev/fd/{handle}")) as path, held_open(first) as same:
            os.dup2(other, handle)
            write_atomically(path, b"report")
            assert same == first
    finally:
        os.close(handle)
        os.close(other)
    assert (first.read_bytes(), second.read_bytes()) == (b"report", b"")


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
    space = files._space_hash()
    mine, former = tmp_path / f".a.{os.getpid()}-7-{space}.tmp", tmp_path / f".b.{os.getpid()}-7-{space}.tmp"
    ended, odd, other = tmp_path / f".a.999999999-0-{space}.tmp", tmp_path / ".c.tmp", tmp_path / "a.tmp"
    for path in (mine, former, ended, odd, other):
        path.touch()
    for path in (former, odd):
        os.utime(path, (1e9, 1e9))  # of a process that had this number before, as each one in a container has
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, other.name])
    remove_leftovers(tmp_path / "none")


def test_what_another_container_writes_stays_until_nothing_was_written_into_it_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is not among ours: `v1` is being written, `v0` was left an hour ago."""
    being, left = tmp_path / ".v1.999999999-1-0123abcd.tmp", tmp_path / ".v0.999999999-1-0123abcd.tmp"
    for path in (being, left):
        path.touch()
    info = left.stat()
    os.utime(left, (info.st_atime, info.st_mtime - files.LEFTOVER_S - 60.0))
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [being]
    monkeypatch.setattr(files.os, "getpid", lambda: 999999999)
    mine = files.temporary_beside(tmp_path / "a")
    mine.touch()
    monkeypatch.setattr(files, "process_space", lambda: "another machine")
    remove_leftovers(tmp_path)
    assert mine.exists()


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


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device without an end")
def test_text_without_an_end_is_refused_and_a_file_at_the_limit_is_read(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match="holds more than 1 MiB"):
            read_text(Path("/dev/zero"), 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 100)
    assert read_text(path, 100) == "x" * 100
    with pytest.raises(OSError, match="holds more"):
        read_text(path, 99)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device without an end")
def test_settings_without_an_end_are_refused_in_one_line() -> None:
    with pytest.raises(SettingsError, match="^/dev/zero: .*holds more than 16 MiB$"):
        load_settings(Path("/dev/zero"), {})
