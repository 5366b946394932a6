"""Reading recordings: every record once, in order, and an error at the first byte that cannot be trusted.

A segment that was cut off reads as far as its last whole chunk. Damage is never passed on as data: chunks have
checksums, and a missing record shows in the numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Metadata
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk

from agent.core.errors import RecordingError
from agent.journal.records import METADATA, TOPICS, Record, SessionHeader, decode, header_of, topic_of
from agent.journal.segment import PART, number_of

MAX_RECORD_BYTES: Final = 256 << 20
_DAMAGE: Final = (
    McapError, CRCValidationError, EOFError, ValueError, struct.error, UnicodeDecodeError, msgspec.DecodeError,
    KeyError, IndexError, OverflowError, MemoryError,
)  # fmt: skip
"""What mcap raises on bytes that are cut off or changed."""


class Numbered(NamedTuple):
    """A record and its number in the session, from 1."""

    number: int
    time_ns: int
    record: Record
    body: bytes


class SegmentReader:
    """Reads one segment, finished or not.

    After `records` ended: is_whole says whether the file's end was there, `damage` why reading stopped before, is_cut
    that the file just stops there, and good_bytes where the last chunk ends that could be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_whole = self.is_cut = False
        self.good_bytes = 0
        self.damage = ""
        self.header: SessionHeader | None = None

    def records(self) -> Iterator[Numbered]:
        """Its records up to the end or the first damage, which `damage` then tells; raises OSError."""
        with self.path.open("rb") as file:
            try:
                yield from self._read(file)
            except _DAMAGE as error:
                self.is_cut = file.tell() >= self.path.stat().st_size
                self.damage = "the file is cut off" if self.is_cut else f"{type(error).__name__}: {error}"

    def _read(self, file: Any) -> Iterator[Numbered]:
        size = self.path.stat().st_size
        stream = StreamReader(file, emit_chunks=True, validate_crcs=True, record_size_limit=min(MAX_RECORD_BYTES, size))
        topics: dict[int, str] = {}
        last: int | None = None
        for item in _in_chunks(stream):
            if isinstance(item, Metadata) and item.name == METADATA and self.header is None:
                self.header = header_of(item.metadata)
            elif isinstance(item, Channel):
                topics[item.id] = item.topic
            elif isinstance(item, DataEnd):
                self.is_whole = True
            elif isinstance(item, Message):
                if last is not None and item.sequence != (last + 1) & 0xFFFFFFFF:
                    raise ValueError(f"record {item.sequence} follows record {last}")
                if topics[item.channel_id] not in TOPICS:
                    raise ValueError(f"topic {topics[item.channel_id]!r}")
                record = decode(item.data)
                if topic_of(record) != topics[item.channel_id]:
                    raise ValueError(f"a {topic_of(record)} among {topics[item.channel_id]} records")
                last, self.good_bytes = item.sequence, file.tell()
                yield Numbered(item.sequence, item.log_time, record, item.data)


def _in_chunks(stream: StreamReader) -> Iterator[McapRecord]:
    """Records beside and in chunks. mcap takes a checksum of 0 for none at all, and our chunks all have one."""
    for item in stream.records:
        if not isinstance(item, Chunk):
            yield item
            continue
        if not item.uncompressed_crc or len(item.data) != item.uncompressed_size:
            raise ValueError("a chunk without its checksum or size")
        yield from breakup_chunk(item, validate_crc=True)


def segments_of(path: Path) -> list[Path]:
    """The segments of a recording in their order: of a folder, or the one file; raises RecordingError for none."""
    if path.is_file():
        return [path]
    found = sorted([*path.glob("segment-*.mcap"), *path.glob(f"segment-*.mcap{PART}")])
    if not found:
        raise RecordingError(f"{path}: no recording; `python -m agent recordings` lists those that there are")
    return found


def header_of_recording(path: Path) -> SessionHeader:
    """The header of a recording's first segment; raises RecordingError."""
    reader = SegmentReader(segments_of(path)[0])
    try:
        next(reader.records(), None)
    except OSError as error:
        raise RecordingError(f"{reader.path}: {error.strerror or error}") from error
    if reader.header is None:
        raise RecordingError(f"{reader.path}: not a recording of this program: {reader.damage or 'it has no header'}")
    return reader.header


def records_of(path: Path) -> Iterator[Numbered]:
    """All records of a recording; raises RecordingError at damage, and where a segment is missing between others.

    A last segment that was cut off ends the recording where it was cut.
    """
    segments = segments_of(path)
    last = 0 if number_of(segments[0]) == 1 else None
    for segment in segments:
        reader = SegmentReader(segment)
        try:
            for item in reader.records():
                if last is not None and item.number != (last + 1) & 0xFFFFFFFF:
                    raise RecordingError(f"{segment}: records {last + 1} to {item.number - 1} before it are missing")
                last = item.number
                yield item
        except OSError as error:
            raise RecordingError(f"{segment}: {error.strerror or error}") from error
        if reader.header is None or (not reader.is_whole and segment.suffix != PART):
            raise RecordingError(f"{segment}: damaged after record {last or 0}: {reader.damage or 'it is cut off'}")
