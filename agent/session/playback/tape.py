"""The packets of one game of a recording, in their order, from any point of time. Calls block on the disk."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from agent.core.errors import ProtocolError, RecordingError
from agent.core.types import Packet
from agent.journal.read import header_of_recording, records_of, segments_of
from agent.journal.records import GapRecord, LinkRecord, PacketRecord
from agent.link.wire import Limits, decode_state

LIMITS: Final = Limits(max_state_bytes=1 << 30, max_enemies=1 << 20)
"""A session may have raised its own."""


class Taped(msgspec.Struct, frozen=True, eq=False):
    """One packet of a recording, at its time on the session's clock, and its place from 0."""

    index: int
    at_s: float
    packet: Packet


class Cut(msgspec.Struct, frozen=True):
    """The connection ended or began in the recording, or records are missing: what follows is another beginning."""

    at_s: float
    reason: str


Item: TypeAlias = Taped | Cut


class Tape:
    """One game's packets; raises RecordingError where the recording is damaged or has no such game."""

    def __init__(self, path: Path, game: int) -> None:
        self.path, self.game = path, game
        self.header = header_of_recording(path)
        if not 0 <= game < len(self.header.games):
            raise RecordingError(f"{path}: has games 0 to {len(self.header.games) - 1}, not {game}")
        self._times: list[float] = []
        self._begins: list[int] = []
        self._segments = segments_of(path)
        for segment in self._segments:
            self._begins.append(len(self._times))
            self._times += [record.received_at_s for record in self._packets(segment)]

    def __len__(self) -> int:
        return len(self._times)

    @property
    def length_s(self) -> float:
        """From the first packet to the last, seconds."""
        return self._times[-1] - self._times[0] if self._times else 0.0

    def time_of(self, index: int) -> float:
        """Seconds from the first packet to one of them."""
        return self._times[min(max(0, index), len(self._times) - 1)] - self._times[0] if self._times else 0.0

    def index_at(self, seconds: float) -> int:
        """The first packet that came as many seconds after the first one, or later; their number beyond the last."""
        return bisect_left(self._times, self._times[0] + seconds - 1e-9) if self._times else 0

    def _packets(self, segment: Path) -> Iterator[PacketRecord]:
        for item in records_of(segment):
            if isinstance(item.record, PacketRecord) and item.record.game == self.game:
                yield item.record

    def items(self, index: int) -> Iterator[Item]:
        """What follows from a packet on."""
        first = max(0, next((k for k, n in enumerate(self._begins) if n > index), len(self._begins)) - 1)
        at = self._begins[first] if self._begins else 0
        for segment in self._segments[first:]:
            for item in records_of(segment):
                record = item.record
                if isinstance(record, PacketRecord) and record.game == self.game:
                    if at >= index:
                        yield Taped(at, record.received_at_s, self._packet(record))
                    at += 1
                elif at >= index and isinstance(record, LinkRecord) and record.game == self.game and not record.is_up:
                    yield Cut(record.at_s, record.reason)
                elif at >= index and isinstance(record, GapRecord):
                    yield Cut(record.at_s, f"{record.count} records are missing: {record.reason}")

    def _packet(self, record: PacketRecord) -> Packet:
        """As it came, but that no person plays: those of the recording are not here."""
        try:
            state = decode_state(record.state, LIMITS)
        except ProtocolError as error:
            raise RecordingError(f"{self.path}: packet {record.number} of game {self.game}: {error}") from error
        return Packet(msgspec.structs.replace(state, human=None), record.frame, record.state)
