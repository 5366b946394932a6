"""Recordings are read as a folder or as one file, and MCAP's own reader reads them too."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from mcap.reader import make_reader

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.journal import Journal
from agent.journal.read import header_of_recording, records_of
from tests.journal.test_journal import drain, header, offer, packet


def recorded(folder: Path, count: int) -> Path:
    journal = Journal(folder, header(), SystemClock())
    journal.begin()
    offer(journal, range(1, count + 1))
    drain(journal)
    journal.close()
    return folder / "segment-00001.mcap"


def test_a_file_of_a_recording_is_read_alone(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", 30)
    assert [item.record for item in records_of(path)] == [packet(n) for n in range(1, 31)]
    assert header_of_recording(path).policy == "pilot"


def test_other_programs_read_a_finished_segment(tmp_path: Path) -> None:
    with recorded(tmp_path / "a", 30).open("rb") as file:
        read = list(make_reader(file, validate_crcs=True).iter_messages())
    assert [message.sequence for _, _, message in read] == list(range(1, 31))
    assert {channel.topic for _, channel, _ in read} == {"packet"}
    assert msgspec.msgpack.decode(read[0][2].data)[:3] == ["packet", 0, 1]
    times = [message.log_time for _, _, message in read]
    assert times == sorted(times) and times[0] > 10**18


def test_a_finished_segment_that_was_cut_is_an_error(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a", 30)
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(RecordingError, match=r"segment-00001.mcap: damaged after record \d+"):
        list(records_of(tmp_path / "a"))
