"""Recordings take what they may: the oldest go first, and what is no recording, or is being written, stays."""

from __future__ import annotations

import os
from pathlib import Path

from agent.core.clock import SystemClock
from agent.journal.journal import Journal
from agent.journal.keeping import Keep, drop_old
from agent.journal.read import records_of
from agent.journal.segment import segment_name
from tests.journal.test_journal import drain, header, offer

NOW_S = 1e9


def segment(folder: Path, number: int, age_s: float, size: int = 1000, name: str = "") -> Path:
    return file(folder / (name or segment_name(number)), age_s, size)


def file(path: Path, age_s: float, size: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (NOW_S - age_s,) * 2)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_oldest_go_with_what_only_they_needed(tmp_path: Path) -> None:
    segment(tmp_path / "old", 1, 50)
    file(tmp_path / "old" / "weights" / "a", 60)
    for number, age_s in ((1, 40), (2, 30), (3, 20)):
        segment(tmp_path / "long", number, age_s)
    for name, age_s in (("first", 100), ("second", 50), ("third", 25)):
        file(tmp_path / "long" / "weights" / name, age_s)
    drop_old(tmp_path / "long", Keep(max_bytes=3000), NOW_S)
    assert names(tmp_path) == ["long/segment-00003.mcap", "long/weights/second", "long/weights/third"]
    assert [path.name for path in tmp_path.iterdir()] == ["long"]


def test_what_is_set_aside_or_torn_counts_and_goes(tmp_path: Path) -> None:
    segment(tmp_path / "dead", 1, 50, name="segment-00001.mcap.damaged")
    segment(tmp_path / "dead", 2, 40, name="segment-00002.mcap.part")
    segment(tmp_path / "new", 1, 10)
    drop_old(tmp_path / "new", Keep(max_bytes=2500), NOW_S)
    assert names(tmp_path) == ["dead/segment-00002.mcap.part", "new/segment-00001.mcap"]


def test_what_is_no_recording_stays_and_does_not_count(tmp_path: Path) -> None:
    file(tmp_path / "films" / "summer" / "film", 500, 100_000)
    segment(tmp_path / "old", 1, 50)
    file(tmp_path / "old" / "my notes", 50, 10)
    segment(tmp_path / "new", 1, 10)
    segment(tmp_path / "new", 2, 5)
    drop_old(tmp_path / "new", Keep(max_bytes=2500), NOW_S)
    assert names(tmp_path) == [
        "films/summer/film", "new/segment-00001.mcap", "new/segment-00002.mcap", "old/my notes",
    ]  # fmt: skip
    drop_old(tmp_path / "new", Keep(max_bytes=None), NOW_S)
    assert len(names(tmp_path)) == 4


def test_what_another_session_is_writing_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "other", header(), SystemClock())
    journal.begin()
    try:
        offer(journal, range(1, 20))
        drain(journal)
        segment(tmp_path / "new", 1, 10)
        segment(tmp_path / "new", 2, 5)
        drop_old(tmp_path / "new", Keep(max_bytes=1), NOW_S)
        assert names(tmp_path / "new") == ["segment-00002.mcap"]
        assert len(list(records_of(tmp_path / "other"))) == 19
    finally:
        journal.close()


def test_a_window_is_of_time_and_not_of_segments(tmp_path: Path) -> None:
    for number in range(1, 31):
        segment(tmp_path / "a", number, 30.0 * (30 - number))
    drop_old(tmp_path / "a", Keep(window_s=600.0), NOW_S)
    assert names(tmp_path / "a")[0] == segment_name(10) and len(names(tmp_path / "a")) == 21


def test_short_sessions_keep_the_cap_too(tmp_path: Path) -> None:
    for number in range(6):
        journal = Journal(tmp_path / str(number), header(), SystemClock(), Keep(max_bytes=60_000))
        journal.begin()
        offer(journal, range(1, 21))
        drain(journal)
        journal.close()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 60_000
    assert sorted(path.name for path in tmp_path.iterdir())[-1] == "5"
