"""One segment of a recording: an MCAP file that grows record by record and can be cut off at any byte.

A file that is being written is called `NAME.mcap.part`; `close` ends it as MCAP asks and takes `.part` away. What is
committed has been synced to the disk. Calls block on the disk and raise OSError.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from mcap.writer import CompressionType, IndexType, Writer

from agent.core.files import sync_folder
from agent.journal.records import ENCODING, METADATA, PROFILE, TOPICS, SessionHeader, header_metadata

PART: Final = ".part"
CHUNK_BYTES: Final = 1 << 30
"""Larger than a segment: a chunk ends where it is committed, not by its size."""


def number_of(path: Path) -> int:
    """The number in a segment's name; 0 where the name is another's."""
    digits = path.name.removeprefix("segment-").partition(".")[0]
    return int(digits) if digits.isdecimal() else 0


def segment_name(number: int) -> str:
    """The name of a session's nth segment, from 1."""
    return f"segment-{number:05d}.mcap"


class SegmentWriter:
    """Writes one segment; makes its file. `committed_bytes` of it are on the disk."""

    def __init__(self, folder: Path, number: int, header: SessionHeader) -> None:
        self.path = folder / segment_name(number)
        self.part = self.path.with_name(self.path.name + PART)
        self.committed_bytes = 0
        self._file = self.part.open("xb")
        try:
            self._begin(header)
            sync_folder(folder)
        except OSError:
            self.abandon()
            self.part.unlink(missing_ok=True)
            raise

    def _begin(self, header: SessionHeader) -> None:
        # mcap's annotations leave the stream's type open.
        stream: Any = self._file
        # Some of mcap's methods have no types.
        self._writer: Any = Writer(
            stream, chunk_size=CHUNK_BYTES, compression=CompressionType.NONE, index_types=IndexType.CHUNK
        )
        self._writer.start(profile=PROFILE, library=header.program)
        self._writer.add_metadata(METADATA, header_metadata(header))
        self._channels = {topic: self._writer.register_channel(topic, ENCODING, 0) for topic in TOPICS}
        self.commit()

    @property
    def is_deleted(self) -> bool:
        """True where somebody deleted the file; what is written into it then is lost."""
        return os.name != "nt" and os.fstat(self._file.fileno()).st_nlink == 0

    def add(self, topic: str, number: int, time_ns: int, body: bytes) -> None:
        """Add one record; it is safe once it is committed."""
        self._writer.add_message(self._channels[topic], time_ns, body, time_ns, sequence=number & 0xFFFFFFFF)

    def write_chunk(self) -> None:
        """End the chunk of what was added, without waiting for the disk."""
        self._writer.flush()

    def commit(self) -> None:
        """Put all that was added on the disk."""
        self._writer.flush()
        if hasattr(os, "fdatasync"):
            os.fdatasync(self._file.fileno())
        else:
            os.fsync(self._file.fileno())
        self.committed_bytes = self._file.tell()

    def close(self) -> Path:
        """End the file and give it its name; returns that."""
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.part.replace(self.path)
        sync_folder(self.path.parent)
        return self.path

    def abandon(self) -> None:
        """Cut the file to what is committed and leave it to be recovered; after an error of the disk."""
        if self._file.closed:
            return
        descriptor = os.dup(self._file.fileno())
        try:
            try:
                self._file.close()  # may try, and fail, to write what is buffered
            except OSError:
                pass
            os.ftruncate(descriptor, self.committed_bytes)
        finally:
            os.close(descriptor)
