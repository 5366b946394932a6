"""The log of pushed rollouts: killed at any point, it never lets one be applied twice or forgets one it took."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.learner.remote.rollout_log import Entry, RolloutLog, as_line, read_entries


def entry(name: str) -> Entry:
    return Entry(name, "taken", "p", "w", 3, 10)


def killed(folder: Path, to: Path) -> RolloutLog:
    """The log as a process finds it that starts after a kill at this instant."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return RolloutLog(to)


def test_a_kill_after_each_step_leaves_each_rollout_waiting_or_done_with(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path / "a")
    assert log.open() == []
    one = log.take(entry("one"), b"1")
    after = killed(tmp_path / "a", tmp_path / "b")
    waiting = after.open()
    assert [(e.id, e.version, after.read(e)) for e in waiting] == [("one", 3, b"1")]
    after.close()

    log.begin(one)
    two = log.take(entry("two"), b"2")
    after = killed(tmp_path / "a", tmp_path / "b")
    assert [e.id for e in after.open()] == ["two"]
    assert (after.step_of("one"), after.step_of("two")) == ("lost", "taken")
    assert sorted(p.name for p in (tmp_path / "b").glob("*.rollout")) == [f"{two.file:010d}.rollout"]
    after.close()

    log.end(one)
    log.begin(two)
    log.end(two, "refused", "no")
    after = killed(tmp_path / "a", tmp_path / "b")
    assert after.open() == [] and not list((tmp_path / "b").glob("*.rollout"))
    assert (after.step_of("one"), after.step_of("two")) == ("done", "refused")
    after.close()
    log.close()


def test_a_log_that_is_cut_anywhere_keeps_what_stands_before_the_cut(tmp_path: Path) -> None:
    lines = [as_line(entry("one")), as_line(Entry("one", "begun")), as_line(entry("two"))]
    data, path = b"".join(lines), tmp_path / "log.jsonl"
    ends = [sum(map(len, lines[: i + 1])) for i in range(3)]
    for at in range(len(data) + 1):
        path.write_bytes(data[:at])
        found, good = read_entries(path)
        assert len(found) == sum(end <= at for end in ends) and good == ([0, *ends])[len(found)]
    flipped = bytearray(data)
    flipped[ends[0] + 15] ^= 1
    path.write_bytes(flipped)
    assert [e.id for e in read_entries(path)[0]] == ["one"]


def test_a_torn_line_is_cut_off_and_the_next_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(as_line(entry("old")) + as_line(entry("torn"))[:9])
    log = RolloutLog(tmp_path)
    log.open()
    log.note(Entry("next", "old"))
    log.close()
    assert [e.id for e in read_entries(tmp_path / "log.jsonl")[0]] == ["old", "old", "next"]  # its arrays are gone
    assert (tmp_path / "log.damaged").read_bytes() == as_line(entry("torn"))[:9]


def test_a_disk_that_refuses_a_line_takes_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RolloutLog(tmp_path)
    log.open()
    real = os.write

    def short(handle: int, data: bytes) -> int:
        if len(data) <= 20:
            raise OSError(28, "No space left on device")
        return real(handle, data[:-20])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        log.take(entry("one"), b"1")
    monkeypatch.undo()
    assert log.step_of("one") == "" and not list(tmp_path.glob("*.rollout"))
    log.take(entry("one"), b"1")
    assert [e.step for e in read_entries(tmp_path / "log.jsonl")[0]] == ["taken"]
    log.close()


def test_only_finished_rollouts_are_forgotten_and_one_process_holds_the_log(tmp_path: Path) -> None:
    log = RolloutLog(tmp_path, keep=2)
    log.open()
    with pytest.raises(SettingsError, match="another learner"):
        RolloutLog(tmp_path).open()
    first = log.take(entry("0"), b"")
    for name in "123":
        log.end(log.take(entry(name), b""))
    assert [bool(log.step_of(name)) for name in "0123"] == [True] * 4  # the oldest still waits
    log.end(first)
    log.end(log.take(entry("4"), b""))
    assert [bool(log.step_of(name)) for name in "01234"] == [False, False, False, True, True]
    log.close()
