"""How many changes of owner, subgoal and plan carry a sentence of reason that is made of logged numbers.

    python -m tools.bench.planner.reasons [--recording DIR] [--seconds 600] [--policy motor] [--goal TEXT] [--out FILE]

Without `--recording` an arena of its own is played for so long, in real time, and recorded. Changes are found without
the sentences: of owner and subgoal in what was decided at each packet, of plans by their numbers. A change has its
reason where an event of its kind was told at that time, whose sentence says something of the game (level, time, health,
how far something is, how many) and all that it says is what the game's own packets show around then, rounded as it is
written. Control: the same sentences against packets of another time.
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
NEEDED, CONTROL = 0.95, 0.2
BEFORE_S, AFTER_S = 1.2, 0.3
"""The planner looks four times a second, and tells of what it saw."""
OWNER_S: Final = 0.25
SHIFT_S: Final = 120.0
PLACES: Final = ("chest", "shrine", "gold", "health", "portal")
_CLAIMS: Final = (
    (re.compile(r"(\d+\.\d) s, health (\d+) of (\d+)"), ("time_s", "health", "max_health")),
    (re.compile(r"(\d+) s survived"), ("time_s",)),
    (re.compile(r"\blevel (\d+)(?! was)"), ("level",)),
    (re.compile(r"\bhealth (\d+) %"), ("health_percent",)),
    (re.compile(r"(\d+) kills, (\d+) enemies in sight"), ("kills", "enemies")),
    (re.compile(r"\ban elite (\d+) m away"), ("elite_m",)),
    *(
        (re.compile(rf"\b{what} (\d+) m away"), (f"{what}_m",))
        for what in ("chest", "shrine", "gold", "health", "portal")
    ),
)
"""What sentences say of the game, and the columns that show it."""
COLUMNS: Final = (
    "time_s", "health", "max_health", "health_percent", "enemies", "level", "kills", "elite_m",
    "chest_m", "shrine_m", "gold_m", "health_m", "portal_m",
)  # fmt: skip
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
    """What `COLUMNS` name of a state, NaN where there is none."""
    run, health = state.run, state.health / max(state.max_health, 1.0)
    place, elite = (state.position[0], state.position[2]), nearest_enemy(state, elite=True)
    return [
        state.game_time_s, state.health, state.max_health, health * 100.0, len(state.enemies),
        *((run.level, run.kills) if run is not None else (math.nan, math.nan)),
        math.dist(place, elite) if elite is not None else math.nan,
        *(nearest_m(state, what) for what in PLACES),
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


def claims(text: str) -> list[tuple[str, str]]:
    """Columns and numbers that a sentence says of the game."""
    found = [(columns, match.groups()) for pattern, columns in _CLAIMS for match in pattern.finditer(text)]
    return [pair for columns, numbers in found for pair in zip(columns, numbers, strict=True)]


def is_logged(text: str, at_s: float, found: Read, shift_s: float = 0.0) -> bool:
    """Whether a sentence says something of the game, and the packets around an instant show all of it."""
    at_s += shift_s
    span = bisect.bisect_left(found.times, at_s - BEFORE_S), bisect.bisect_right(found.times, at_s + AFTER_S)
    rows, said = found.values[slice(*span)], claims(text)
    if not len(rows) or not said:
        return False
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
    for column, number in said:
        near, at = 0.5 * 10.0 ** -len(number.partition(".")[2]) + 1e-6, COLUMNS.index(column)
        if not low[at] - near <= float(number) <= high[at] + near:
            return False
    return True


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
        good = any(is_logged(e.text, e.at_s, found) for e in events)
        row["with_numbers"] += good
        late = found.times[-1] - change.at_s < SHIFT_S
        row["control"] += any(is_logged(e.text, e.at_s, found, -SHIFT_S if late else SHIFT_S) for e in events)
        if not good and len(untold) < 20:
            untold.append(f"{change.what} at {change.at_s - found.times[0]:.1f} s: {[e.text for e in events][:2]}")
    total = {key: sum(row[key] for row in rows.values()) for key in ("changes", "told", "with_numbers", "control")}
    share = {key: round(total[key] / max(total["changes"], 1), 4) for key in ("told", "with_numbers", "control")}
    return {
        "seconds": round(found.times[-1] - found.times[0], 1), **total, "share": share, "by_change": rows,
        "without": untold, "examples": examples(found.events),
        "passed": total["changes"] > 0 and share["with_numbers"] >= NEEDED and share["control"] <= CONTROL,
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
