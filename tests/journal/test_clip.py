"""A clip of a recording that is over has its last seconds, from the beginning of their episodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.clip import NAME, Clip, clip_recording, has_beginning, make_clip, read_clip
from agent.journal.journal import Journal
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord
from tests.journal.test_journal import header


def recording(folder: Path) -> Path:
    """Ten segments of ten decisions, one a second; an episode begins with each 25th."""
    clock = SystemClock()
    journal = Journal(folder, header(), clock)
    journal.begin()
    for n in range(1, 101):
        at_s = journal.header.began_s + n
        record = DecisionRecord(0, n, n, 0, 0.0, at_s, 0.0, n % 25 == 0, False, False, False, 0, at_s, b"", "motor", -1)
        journal.offer(record, at_s)
        if n % 10 == 0:
            assert journal.turn()
    journal.close()
    return folder


def steps(folder: Path) -> list[int]:
    return [item.record.step for item in records_of(folder) if isinstance(item.record, DecisionRecord)]


def test_the_last_seconds_of_a_recording_from_the_beginning_of_their_episode(tmp_path: Path) -> None:
    source = recording(tmp_path / "a")
    for apart, first in ((True, 71), (False, 1)):
        made = clip_recording(source, tmp_path / f"{apart}", 15.0, apart=apart)
        assert steps(tmp_path / f"{apart}") == list(range(first, 101)), "the episode of decision 85 began with 75"
        assert read_clip(tmp_path / f"{apart}") == made
        assert made.is_whole and made.to_s - made.from_s == pytest.approx(15.0)
    (source / "segment-00001.mcap").unlink()
    assert not has_beginning(source)
    assert not clip_recording(source, tmp_path / "later", 15.0, apart=False).is_whole
    assert clip_recording(source, tmp_path / "apart", 15.0, apart=True).is_whole
    for number in range(2, 9):
        (source / f"segment-{number:05d}.mcap").unlink()
    assert not clip_recording(source, tmp_path / "torn", 15.0, apart=True).is_whole


def test_of_other_seconds_there_is_none_and_a_recording_is_no_clip(tmp_path: Path) -> None:
    source = recording(tmp_path / "a")
    with pytest.raises(RecordingError, match="nothing was recorded in these seconds"):
        make_clip(source, tmp_path / "b", Clip("a", 0.0, 1.0, True), SystemClock().now_s() + 1000.0)
    assert not (tmp_path / "b").exists() and read_clip(source) is None
    (source / NAME).write_text('{"session": 3}')
    with pytest.raises(RecordingError, match="clip.json: damaged"):
        read_clip(source)


def test_a_segment_ends_when_it_is_told_to_and_not_without_a_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    assert journal.turn() and not list((tmp_path / "a").glob("*.mcap"))
    journal.close()
