"""The process that reads recordings for the page, so that this one's GIL and time are free; run by `recordings.api`."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.core.errors import AgentError, ImageError, ProtocolError, RequestError
from agent.core.types import GameState
from agent.http.recordings.messages import Call, Listed, ListRecordings, Moment, Overview, Seen
from agent.http.snapshots import SHOWN_PIXELS, without_folders
from agent.journal.read import Numbered, header_of_recording, records_of, segments_of
from agent.journal.records import DecisionRecord, EventRecord, GapRecord, PacketRecord
from agent.journal.recover import is_live
from agent.link.imaging import decode_frame, encode_jpeg, shrink_to
from agent.link.wire import Limits, decode_action, decode_state
from agent.session.seeing.scene import scene
from agent.session.seeing.values import action_values

MAX_MEMORY_BYTES: Final = 3 << 30
LIMITS: Final = Limits(max_state_bytes=1 << 30, max_enemies=1 << 20)
STEP_S: Final = 0.5
"""Between two points of the series."""
MAX_POINTS: Final = 2400
MAX_MARKS: Final = 500
HELD: Final = 3
"""Segments whose records are kept in memory."""
BACK: Final = 2
"""A picture may be so many segments older than what it is shown with."""
MAX_LISTED: Final = 200
_SILENT: Final = frozenset({"weights"})


class Reader:
    """Reads recordings, and keeps the records of the newest few segments in memory."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[Path, int], list[Numbered]] = OrderedDict()
        self._begins: dict[tuple[Path, int], float] = {}
        self._firsts: dict[tuple[Path, int], float] = {}

    def records(self, segment: Path) -> list[Numbered]:
        """The records of a segment; of one that grows, as far as it is written."""
        key = segment, segment.stat().st_size
        if key not in self._held:
            self._held[key] = list(records_of(segment))
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key]

    def overview(self, path: Path, game: int) -> Seen:
        """What one game of a recording went through."""
        header = header_of_recording(path)
        _check_game(game, len(header.games))
        points = Points(game)
        for item in records_of(path):
            points.take(item)
        return Seen(
            length_s=points.length_s, header=without_folders(header), series=points.thinned(),
            marks=points.marks[:MAX_MARKS],
        )  # fmt: skip

    def at(self, path: Path, game: int, seconds: float) -> tuple[Moment, bytes]:
        """What was there then: the newest packet, decision and picture before it."""
        header = header_of_recording(path)
        _check_game(game, len(header.games))
        segments, first_s = segments_of(path), self._first_s(path, game)
        due_s = first_s + max(0.0, seconds) + 1e-9
        last = max(0, bisect_right([self._begin_s(segment) for segment in segments], due_s) - 1)
        packet = picture = decision = None
        for segment in reversed(segments[max(0, last - BACK) : last + 1]):
            for item in reversed(self.records(segment)):
                record = item.record
                if isinstance(record, PacketRecord) and record.game == game and record.received_at_s <= due_s:
                    packet = packet or record
                    picture = picture or (record if record.frame else None)
                elif isinstance(record, DecisionRecord) and record.game == game and record.at_s <= due_s:
                    decision = decision or record
                if packet and picture and decision:
                    break
        if packet is None:
            raise RequestError(404, f"nothing had come {seconds:g} s after the beginning")
        return _moment(packet, decision, header.policy, first_s), _jpeg(picture)

    def _first_s(self, path: Path, game: int) -> float:
        """When the first packet of a game came that is still there."""
        key = segments_of(path)[0], game
        if key not in self._firsts:
            packets = (item.record for item in records_of(path) if isinstance(item.record, PacketRecord))
            first = next((packet for packet in packets if packet.game == game), None)
            if first is None:
                raise RequestError(404, f"game {game} sent nothing in this recording")
            self._firsts[key] = first.received_at_s
        return self._firsts[key]

    def _begin_s(self, segment: Path) -> float:
        """When the first record of a segment was written; a file that was replaced is read again."""
        key = segment, segment.stat().st_ino
        if key not in self._begins:
            times = (_time_s(item) for item in records_of(segment))
            self._begins[key] = next((at_s for at_s in times if at_s > 0.0), float("inf"))
        return self._begins[key]


def _time_s(item: Numbered) -> float:
    record = item.record
    return record.received_at_s if isinstance(record, PacketRecord) else record.at_s


class Points:
    """Columns over time, and marks, of one game."""

    def __init__(self, game: int) -> None:
        self._game = game
        self._first_s: float | None = None
        self._due_s = 0.0
        self.length_s = 0.0
        self.marks: list[dict[str, Any]] = []
        names = ("t", "health", "max_health", "level", "kills", "gold", "enemies", "game_time_s", "human")
        self.series: dict[str, list[float | None]] = {name: [] for name in names}
        self._human = False

    def take(self, item: Numbered) -> None:
        """One record, in the order of the recording."""
        record = item.record
        if isinstance(record, PacketRecord) and record.game == self._game:
            self._packet(record)
        elif isinstance(record, DecisionRecord) and record.game == self._game:
            self._human = record.owner == "human"
            if record.is_last:
                self._mark(record.at_s, "end", "won" if record.is_won else "the run ended")
        elif isinstance(record, EventRecord) and record.kind not in _SILENT and record.message:
            if record.payload.get("game", self._game) == self._game:
                self._mark(record.at_s, record.kind, record.message)
        elif isinstance(record, GapRecord):
            self._mark(record.at_s, "gap", f"{record.count} records are missing: {record.reason}")

    def _packet(self, record: PacketRecord) -> None:
        if self._first_s is None:
            self._first_s = record.received_at_s
        at_s = record.received_at_s - self._first_s
        self.length_s = max(self.length_s, at_s)
        if at_s < self._due_s:
            return
        self._due_s = at_s + STEP_S
        state = _state_of(record)
        run = state.run
        row: dict[str, float | None] = {
            "t": round(at_s, 3), "health": state.health, "max_health": state.max_health,
            "level": run.level if run else None, "kills": run.kills if run else None, "gold": run.gold if run else None,
            "enemies": len(state.enemies), "game_time_s": state.game_time_s, "human": float(self._human),
        }  # fmt: skip
        for name, value in row.items():
            self.series[name].append(value)

    def _mark(self, at_s: float, kind: str, text: str) -> None:
        since_s = at_s - self._first_s if self._first_s is not None else 0.0
        self.marks.append({"t": round(max(0.0, since_s), 3), "kind": kind, "text": without_folders(text)[:200]})

    def thinned(self) -> dict[str, list[float | None]]:
        """The series, with no more than `MAX_POINTS` points."""
        every = -(-len(self.series["t"]) // MAX_POINTS) or 1
        return {name: values[::every] for name, values in self.series.items()}


def _state_of(record: PacketRecord) -> GameState:
    try:
        return decode_state(record.state, LIMITS)
    except ProtocolError as error:
        raise RequestError(409, f"packet {record.number} is none of the wire's: {error}") from error


def _moment(packet: PacketRecord, decision: DecisionRecord | None, policy: str, first_s: float) -> Moment:
    state = _state_of(packet)
    run = state.run
    values: dict[str, Any] = {
        "policy": policy, "scene": scene(state), "level": run.level if run else None,
        "kills": run.kills if run else None, "gold": run.gold if run else None,
        "decision": _decision(decision) if decision is not None else None,
    }  # fmt: skip
    at_s = round(packet.received_at_s - first_s, 4)
    return Moment(at_s=at_s, number=packet.number, values=without_folders(values))


def _decision(record: DecisionRecord) -> dict[str, Any]:
    action = decode_action(record.action[4:]) if record.action else None
    instead = decode_action(record.instead_of[4:]) if record.instead_of else None
    return {
        "time_ns": round(1e9 * record.at_s), "sequence": record.step, "owner": record.owner,
        "action": action_values(action) if action is not None else None, "version": record.version,
        "answer_ms": round(1e3 * (record.at_s - record.received_at_s), 3), "card": record.card,
        "instead_of": {"owner": record.instead_of_owner, "action": action_values(instead)} if instead else None,
        "subgoal": record.subgoal.describe() if record.subgoal is not None else None,
    }  # fmt: skip


def _jpeg(record: PacketRecord | None) -> bytes:
    """The picture as a JPEG that browsers show; empty where there is none that can be shown."""
    if record is None:
        return b""
    run = _state_of(record).run
    try:
        return encode_jpeg(shrink_to(decode_frame(record.frame, run is not None and run.rows_top_down), SHOWN_PIXELS))
    except ImageError:
        return b""


def _check_game(game: int, games: int) -> None:
    if not 0 <= game < games:
        raise RequestError(404, f"game: 0 to {games - 1}, not {game}")


def listed(folder: Path) -> list[dict[str, Any]]:
    """The recordings below a folder, newest first; one that cannot be read says why."""
    found = sorted({path.parent for path in folder.glob("*/segment-*")}, key=lambda path: path.name, reverse=True)
    return [_listed(path) for path in found[:MAX_LISTED]]


def _listed(path: Path) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in path.glob("segment-*"))
    shown: dict[str, Any] = {"id": path.name, "bytes": size, "is_live": is_live(path), "error": ""}
    try:
        header = header_of_recording(path)
    except AgentError as error:
        return {**shown, "error": without_folders(str(error))}
    told = {"game": header.game, "games": list(header.games), "policy": header.policy}
    return {**shown, **without_folders(told), "began_utc_s": header.began_utc_ns * 1e-9}


def served(reader: Reader, message: Any) -> tuple[Message, bytes]:
    """The answer to one call; raises RequestError."""
    try:
        if isinstance(message, ListRecordings):
            return Listed(recordings=listed(Path(message.folder))), b""
        if isinstance(message, Overview):
            return reader.overview(Path(message.path), message.game), b""
        return reader.at(Path(message.path), message.game, message.seconds)
    except OSError as error:
        raise RequestError(404, f"{Path(error.filename or '').name}: {error.strerror or error}") from error
    except RequestError:
        raise
    except AgentError as error:
        raise RequestError(409, without_folders(str(error))) from error
    except msgspec.ValidationError as error:
        raise RequestError(409, f"a record is none of this program's: {error}") from error


if __name__ == "__main__":
    limit_process(max_memory_bytes=MAX_MEMORY_BYTES, low_priority=True)
    the_reader = Reader()
    serve_calls(Call, lambda message, body: served(the_reader, message))
