"""A segment can be read at every instant as far as it was committed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from agent.journal.read import SegmentReader
from agent.journal.records import encode
from agent.journal.segment import SegmentWriter, number_of, segment_name
from tests.journal.test_journal import header, packet


def test_only_what_is_committed_is_read_before_the_end(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 1, header())
    for number in (1, 2, 3):
        writer.add("packet", number, number, encode(packet(number)))
        if number == 2:
            writer.commit()
    assert [item.number for item in SegmentReader(writer.part).records()] == [1, 2]
    path = writer.close()
    assert [item.number for item in SegmentReader(path).records()] == [1, 2, 3]
    assert path.name == segment_name(1) and number_of(path) == 1
    assert not writer.part.exists()


def test_after_an_error_of_the_disk_the_file_ends_with_what_is_committed(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 1, header())
    writer.add("packet", 1, 1, encode(packet(1)))
    writer.commit()
    size = writer.committed_bytes
    writer.add("packet", 2, 2, encode(packet(2)))
    writer.write_chunk()
    writer.abandon()
    assert writer.part.stat().st_size == size
    assert [item.number for item in SegmentReader(writer.part).records()] == [1]


def test_a_file_that_cannot_be_begun_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SegmentWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentWriter, "commit", full)
    with pytest.raises(OSError, match="No space"):
        SegmentWriter(tmp_path, 1, header())
    assert list(tmp_path.iterdir()) == []
