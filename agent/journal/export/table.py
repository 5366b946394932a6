"""A recording as CSV: one line a record, without pictures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.errors import ProtocolError, RecordingError
from agent.core.files import temporary_beside
from agent.journal.export.rows import LIMITS, Counts
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, EventRecord, GapRecord, LinkRecord, PacketRecord, Record, topic_of
from agent.link.wire import decode_action, decode_state

COLUMNS: Final = (
    "record", "utc_s", "kind", "game", "packet", "is_playing", "menu", "health", "max_health", "game_time_s", "x", "y",
    "z", "enemies", "level", "kills", "gold", "run_ended", "frame_bytes", "step", "version", "owner", "card", "reward",
    "is_first", "is_last", "is_terminal", "is_won", "move_x", "move_y", "look_x", "look_y", "fire", "ability",
    "interact", "click_x_px", "click_y_px", "text", "count",
)  # fmt: skip


def write_csv(path: Path, out: Path, game: int | None, on_bytes: Callable[[int], Any] = lambda count: None) -> Counts:
    """Write the records of a recording, or of one of its games, and read the file back; raises RecordingError.

    Clicks are in capture pixels, origin bottom-left, as they were sent. What belongs to no game is always written.
    """
    counts, beside = Counts(), temporary_beside(out)
    try:
        with beside.open("x", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            for item in records_of(path):
                of_game = getattr(item.record, "game", game)
                if game is None or of_game == game:
                    line = {"record": item.number, "utc_s": f"{item.time_ns * 1e-9:.6f}", "kind": topic_of(item.record)}
                    writer.writerow(line | _values(item.record))
                    counts.rows += 1
                on_bytes(len(item.body))
        with beside.open(newline="", encoding="utf-8") as file:
            read = sum(1 for _ in csv.DictReader(file))
        if read != counts.rows:
            raise RecordingError(f"{out}: reads back {read} of {counts.rows} lines")
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return counts


def _values(record: Record) -> dict[str, Any]:
    if isinstance(record, PacketRecord):
        return _packet(record)
    if isinstance(record, DecisionRecord):
        return _decision(record)
    if isinstance(record, LinkRecord):
        return {"game": record.game, "text": "up" if record.is_up else f"down: {record.reason}"}
    if isinstance(record, EventRecord):
        payload = msgspec.json.encode(record.payload).decode()
        return {"text": f"{record.kind}: {record.message} {payload}"}
    assert isinstance(record, GapRecord)
    return {"count": record.count, "text": record.reason}


def _packet(record: PacketRecord) -> dict[str, Any]:
    try:
        state = decode_state(record.state, LIMITS)
    except ProtocolError as error:
        raise RecordingError(f"packet {record.number} is none of the wire's: {error}") from error
    values: dict[str, Any] = {
        "game": record.game, "packet": record.number, "is_playing": int(state.is_playing), "menu": state.current_menu,
        "health": state.health, "max_health": state.max_health, "game_time_s": state.game_time_s,
        "x": state.position[0], "y": state.position[1], "z": state.position[2], "enemies": len(state.enemies),
        "frame_bytes": len(record.frame),
    }  # fmt: skip
    run = state.run
    if run is not None:
        values |= {
            "level": run.level, "kills": run.kills, "gold": run.gold, "reward": run.reward,
            "run_ended": int(run.run_ended),
        }  # fmt: skip
    return values


def _decision(record: DecisionRecord) -> dict[str, Any]:
    values: dict[str, Any] = {
        "game": record.game, "packet": record.packet, "step": record.step, "version": record.version,
        "owner": record.owner, "card": record.card, "reward": record.reward, "is_first": int(record.is_first),
        "is_last": int(record.is_last), "is_terminal": int(record.is_terminal), "is_won": int(record.is_won),
    }  # fmt: skip
    action = decode_action(record.action[4:])
    if action is not None:
        values |= {
            "move_x": action.move[0], "move_y": action.move[1], "look_x": action.look[0], "look_y": action.look[1],
            "fire": int(action.fire), "ability": int(action.ability), "interact": int(action.interact),
        }  # fmt: skip
        if action.click is not None:
            values |= {"click_x_px": action.click[0], "click_y_px": action.click[1]}
    return values
