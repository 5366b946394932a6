"""How many changes of owner, subgoal and plan carry a sentence of reason that is made of logged numbers.

    python -m tools.bench.planner.reasons [--recording DIR] [--seconds 600] [--policy motor] [--goal TEXT] [--out FILE]

Without `--recording` an arena of its own is played for so long, in real time, and recorded. Changes are found without
the sentences: of owner and subgoal in what was decided at each packet, of plans by their numbers. A change has its
reason where an event of its kind was told at that time, whose sentence names at least one number that the game's own
packets show around then (level, health, kills, gold, time, distances, counts), rounded as it is written. Control: the
same sentences against packets of another time.
"""

from __future__ import annotations

import argparse
import bisect
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.core.goals.progress import nearest_enemy, nearest_m
from agent.core.types import GameState
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, EventRecord, PacketRecord
from agent.link.wire import decode_state
from tools.bench._result_file import ROOT, publish

SUBGOALS: Final = ("subgoal", "subgoal_done", "subgoal_failed")
PLANNED: Final = (*SUBGOALS, "plan", "goal", "planner_fault")
NEEDED: Final = 0.95
BEFORE_S, AFTER_S = 1.2, 0.3
"""The planner looks four times a second, and tells of what it saw."""
OWNER_S: Final = 0.25
SHIFT_S: Final = 120.0
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_NAMED: Final = re.compile(r"\w+\([^)]*\)")
Table = NDArray[np.float64]


class Event(NamedTuple):
    """What was told, when, and with which values."""

    at_s: float
    kind: str
    text: str
    payload: dict[str, Any]


class Change(NamedTuple):
    """What changed, when, and which kinds of events may tell of it; owner: who owns the action now."""

    at_s: float
    what: str
    kinds: tuple[str, ...]
    owner: str = ""
    number: int = 0


class Read(NamedTuple):
    """A recording: its events, its changes, and the instants and values of its packets."""

    events: list[Event]
    changes: list[Change]
    times: list[float]
    values: Table


def values_of(state: GameState) -> list[float]:
    """The numbers of a state that sentences name, NaN where there is none."""
    run, health = state.run, state.health / max(state.max_health, 1.0)
    place, elite = (state.position[0], state.position[2]), nearest_enemy(state, elite=True)
    return [
        state.game_time_s, state.health, state.max_health, health * 100.0, len(state.enemies),
        len(state.level_up_options), *((run.level, run.level + run.xp_fraction, run.kills, run.gold) if run is not None
        else (math.nan,) * 4), *(nearest_m(state, what) for what in ("chest", "shrine", "gold", "health", "portal")),
        math.dist(place, elite) if elite is not None else math.nan,
    ]  # fmt: skip


def read(path: Path) -> Read:
    """A recording of one game."""
    events, changes, times, values = list[Event](), list[Change](), list[float](), list[list[float]]()
    owner, subgoal, plan = "nobody", None, 0
    for item in records_of(path):
        record = item.record
        if isinstance(record, PacketRecord):
            times.append(record.received_at_s)
            values.append(values_of(decode_state(record.state)))
        elif isinstance(record, DecisionRecord) and record.action:
            if record.owner != owner:
                changes.append(Change(record.at_s, "owner", ("owner",), record.owner))
            if record.subgoal != subgoal:
                changes.append(Change(record.at_s, "subgoal", (*SUBGOALS, "plan")))
            owner, subgoal = record.owner, record.subgoal
        elif isinstance(record, EventRecord):
            events.append(Event(record.at_s, record.kind, record.message, record.payload))
            if record.kind == "plan":
                number = int(record.payload["number"])
                changes += [Change(record.at_s, "plan", ("plan",), number=n) for n in range(plan + 1, number + 1)]
                plan = number
            elif record.kind in SUBGOALS:
                changes.append(Change(record.at_s, "subgoal told", (record.kind,)))
    return Read(events, changes, times, np.array(values, np.float64).reshape(len(times), -1))


def traced(text: str, at_s: float, found: Read, shift_s: float = 0.0) -> int:
    """How many numbers of a sentence the packets around an instant show; those in a subgoal's name do not count."""
    at_s += shift_s
    span = bisect.bisect_left(found.times, at_s - BEFORE_S), bisect.bisect_right(found.times, at_s + AFTER_S)
    rows = found.values[slice(*span)]
    if not len(rows):
        return 0
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
    count = 0
    for number in _NUMBER.findall(_NAMED.sub("", text)):
        near = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-9
        count += bool(np.any((float(number) >= low - near) & (float(number) <= high + near)))
    return count


def told_of(change: Change, events: Sequence[Event]) -> list[Event]:
    """The events that may be this change's."""
    within = (OWNER_S, OWNER_S) if change.what == "owner" else (BEFORE_S, AFTER_S)
    near = [e for e in events if e.kind in change.kinds and -within[0] <= e.at_s - change.at_s <= within[1]]
    if change.what == "owner":
        return [e for e in near if e.payload.get("owner") == change.owner]
    return [e for e in near if not change.number or e.payload.get("number") == change.number]


def figures(found: Read) -> dict[str, Any]:
    """Shares of the changes with a sentence and with one of logged numbers, by what changed."""
    rows: dict[str, dict[str, int]] = {}
    untold: list[str] = []
    for change in found.changes:
        row = rows.setdefault(change.what, dict.fromkeys(("changes", "told", "with_numbers", "control"), 0))
        events = told_of(change, found.events)
        row["changes"] += 1
        row["told"] += bool(events)
        good = any(traced(e.text, e.at_s, found) for e in events)
        row["with_numbers"] += good
        late = found.times[-1] - change.at_s < SHIFT_S
        row["control"] += any(traced(e.text, e.at_s, found, -SHIFT_S if late else SHIFT_S) for e in events)
        if not good and len(untold) < 20:
            untold.append(f"{change.what} at {change.at_s - found.times[0]:.1f} s: {[e.text for e in events][:2]}")
    total = {key: sum(row[key] for row in rows.values()) for key in ("changes", "told", "with_numbers", "control")}
    share = {key: round(total[key] / max(total["changes"], 1), 4) for key in ("told", "with_numbers", "control")}
    return {
        "seconds": round(found.times[-1] - found.times[0], 1), **total, "share": share, "by_change": rows,
        "without": untold, "examples": examples(found.events),
        "passed": total["changes"] > 0 and share["with_numbers"] >= NEEDED,
    }  # fmt: skip


def examples(events: Sequence[Event]) -> dict[str, str]:
    """One sentence of each kind, from the middle of the recording."""
    kinds = {e.kind for e in events if e.kind in (*PLANNED, "owner")}
    each = {kind: [e.text for e in events if e.kind == kind] for kind in sorted(kinds)}
    return {kind: texts[len(texts) // 2] for kind, texts in each.items()}


def played(seconds: float, policy: str, goal: str, folder: Path) -> Path:
    """Play an arena for so long and record it; where the recording is."""
    out = folder / "recording"
    command = [sys.executable, "-m", "agent", "play", "--game", "arena", "--policy", policy, "--goal", goal]
    more = ["--seconds", str(seconds), "--no-learn", "--no-http", "--record-to", str(out)]
    subprocess.run(
        [*command, *more], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=seconds + 300.0,
        env={**os.environ, "METABONK_LLM_BACKEND": "builtin", "METABONK_RECORDINGS_DIR": str(folder)},
    )  # fmt: skip
    return out


def main() -> None:
    """Play where nothing is named, read, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--policy", default="motor")
    parser.add_argument("--goal", default="beat the boss at level 8 and open shrines with tomes")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = args.recording or played(args.seconds, args.policy, args.goal, Path(name))
        found = figures(read(path))
    values = {"policy": args.policy, "goal": args.goal, **found}
    publish("planner reasons", json.loads(json.dumps(values)), args.out)


if __name__ == "__main__":
    main()
