"""Records and headers go through bytes unchanged; what is damaged or of another format is refused."""

from __future__ import annotations

import msgspec
import pytest

from agent.journal.records import (
    TOPICS,
    DecisionRecord,
    EventRecord,
    GapRecord,
    LinkRecord,
    PacketRecord,
    decode,
    encode,
    header_metadata,
    header_of,
    topic_of,
)
from tests.journal.test_journal import header

RECORDS = (
    PacketRecord(3, 7, 1.25, b"\x00\xffstate", b"\xff\xd8frame"),
    DecisionRecord(0, 9, 7, 6, 0.016, 1.25, -0.5, True, False, False, False, 4, 1.26, b"action", "motor", -1),
    LinkRecord(1, 2.0, False, "closed by the game"),
    EventRecord(3.0, "weights", "text", {"version": 4, "sha256": "ab"}),
    GapRecord(4.0, 12, 4096, "the queue is full"),
)


def test_every_kind_of_record_comes_back_as_itself() -> None:
    assert [decode(encode(record)) for record in RECORDS] == list(RECORDS)
    assert tuple(topic_of(record) for record in RECORDS) == TOPICS


def test_bytes_of_no_kind_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(msgspec.msgpack.encode(["unknown", 1, 2]))


def test_a_header_is_checked() -> None:
    said = header_metadata(header())
    assert header_of(said) == header_of(dict(said))
    with pytest.raises(ValueError, match="damaged"):
        header_of({**said, "header": said["header"].replace("pilot", "kiter")})
    later = header_metadata(msgspec.structs.replace(header(), format=99))
    with pytest.raises(ValueError, match="format 99"):
        header_of(later)
