"""Training runs that start before a loop: where runs lose time in loops, it is tried again until it is solved.

While a run gains something or sees a new place, its state is saved now and then; when a loop is found, the state before
it becomes a start. Starts are drawn by failure times novelty: how often a run that began there looped again, and how
seldom it was tried. A start that is solved is forgotten. States are the arena's own records, to the bit.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.games.arena import state as layout
from agent.journal.loops import CELL_M, LOOK_HZ, FinderState, Look, LoopFinder, Node

MAX_STARTS: Final = 64
SAVE_EVERY_S: Final = 3.0
TRIAL_S: Final = 60.0
"""A run that began before a loop and was in none for so long has solved it."""
LEARNING_RATE: Final = 0.3
"""Of the share of failures, for each trial."""
SOLVED: Final = 0.1
PLACE_CELLS: Final = 4
"""Loops whose states entered most lie within so many cells of each other have one start."""
NO_START: Final = ""


class Start(msgspec.Struct):
    """One state before a loop. failure: the share of trials that looped again, newer ones counting more."""

    place: str
    failure: float = 1.0
    tries: int = 0

    @property
    def weight(self) -> float:
        """Failure times novelty."""
        return self.failure / float(np.sqrt(1.0 + self.tries))

    def tried(self, *, looped: bool) -> None:
        """Count a trial."""
        self.tries += 1
        self.failure += LEARNING_RATE * (float(looped) - self.failure)


class _Notes(msgspec.Struct):
    """What of the starts is no array; see `LoopStarts.tensors`."""

    starts: list[Start]
    trials: list[str]
    finders: list[FinderState]
    draws: int
    totals: list[float]


class LoopStarts:
    """Finds loops in `count` runs, and says of every `1 / share`-th run that it starts before one."""

    def __init__(self, count: int, *, share: float, seed: int) -> None:
        self.count, self.share, self._seed = count, share, seed
        self.starts: list[Start] = []
        self.watched_s = self.lost_s = 0.0
        """Seconds of runs that began normally, and those of them that were lost in loops."""
        self._records: NDArray[Any] = np.zeros(MAX_STARTS, layout.WORLD)
        self._draws = 0
        self._finders = [LoopFinder() for _ in range(count)]
        self._trials = [NO_START] * count
        self._saved: NDArray[Any] = np.zeros(count, layout.WORLD)
        self._saved_s = np.full(count, -np.inf)
        self._next_s = np.full(count, -np.inf)
        self._looked_s = np.full(count, np.nan)
        self._began_s = np.zeros(count)
        self._is_trial = np.zeros(count, np.bool_)
        self._gained = np.zeros(count, np.bool_)
        self._before = np.zeros((count, 3))

    # --- what a batch asks -------------------------------------------------------------------------------------------

    def begin(self, row: int) -> Any | None:
        """A run begins: the record that it starts from, None for the start of a run."""
        start = self._drawn()
        self._finders[row] = LoopFinder()
        self._trials[row] = NO_START if start is None else start.place
        self._is_trial[row] = start is not None
        self._saved_s[row], self._next_s[row], self._looked_s[row], self._gained[row] = -np.inf, -np.inf, np.nan, False
        if start is None:
            self._began_s[row], self._before[row] = 0.0, (0.0, 0.0, 1.0)
            return None
        record = self._records[self.starts.index(start)].copy()
        self._began_s[row], self._before[row] = float(record["time_s"]), _counted(record)
        return record

    def _drawn(self) -> Start | None:
        """The start of the next run; draws are of (seed, number), so that nothing else is to be remembered."""
        self._draws += 1
        if not self.starts:
            return None
        rng = np.random.default_rng((self._seed, self._draws))
        if rng.random() >= self.share:
            return None
        weights = np.array([start.weight for start in self.starts])
        return self.starts[int(rng.choice(len(weights), p=weights / weights.sum()))]

    def saw(self, records: NDArray[Any], acted: NDArray[np.bool_], ended: NDArray[np.bool_]) -> None:
        """Look at the runs after a decision, [N] each; `ended` are over and about to begin anew."""
        now = _counted(records)
        self._gained |= (now > self._before).any(-1)
        self._before = now
        time_s = records["time_s"].astype(np.float64)
        due = (records["phase"] == layout.PLAY) & (time_s >= self._next_s) & ~ended
        for row in np.flatnonzero(due):
            self._look(int(row), records, float(time_s[row]), bool(acted[row]))
        for row in np.flatnonzero(ended):
            self._count(int(row), self._finders[row].end())
            self._tried(int(row), looped=False)

    def _look(self, row: int, records: NDArray[Any], time_s: float, acted: bool) -> None:
        finder, record = self._finders[row], records[row]
        if not self._is_trial[row] and not np.isnan(self._looked_s[row]):
            self.watched_s += time_s - float(self._looked_s[row])
        self._looked_s[row], self._next_s[row] = time_s, time_s + 0.99 / LOOK_HZ
        was_looping = finder.is_looping
        gained, self._gained[row] = bool(self._gained[row]), False
        ended = finder.add(Look(time_s, _node(record), gained, acted))
        if ended is not None:
            self._count(row, ended)
            was_looping = False
        if finder.is_looping and not was_looping:
            self._found(row)
        elif finder.stalled_s == 0.0 and time_s - self._saved_s[row] >= SAVE_EVERY_S:
            self._saved[row], self._saved_s[row] = record, time_s
        if self._trials[row] and time_s - self._began_s[row] >= TRIAL_S:
            self._tried(row, looped=False)

    def _count(self, row: int, loop: Any) -> None:
        if loop is not None and not self._is_trial[row]:
            self.lost_s += loop.lost_s

    def _found(self, row: int) -> None:
        """A run is in a loop: its trial failed, or the state before it becomes a start."""
        if self._trials[row]:
            self._tried(row, looped=True)
        elif np.isfinite(self._saved_s[row]) and self.share > 0.0:
            loop = self._finders[row].now()
            assert loop is not None
            self._keep(place_of(self._saved[row], loop.node), self._saved[row])

    def _keep(self, place: str, record: Any) -> None:
        for at, start in enumerate(self.starts):
            if start.place == place:
                self._records[at] = record
                start.failure += LEARNING_RATE * (1.0 - start.failure)
                return
        if len(self.starts) < MAX_STARTS:
            self.starts.append(Start(place))
            self._records[len(self.starts) - 1] = record
            return
        lightest = min(range(MAX_STARTS), key=lambda at: self.starts[at].weight)
        self.starts[lightest], self._records[lightest] = Start(place), record

    def _tried(self, row: int, *, looped: bool) -> None:
        """The trial of a run is over; a start that is solved is forgotten."""
        place, self._trials[row] = self._trials[row], NO_START
        at = next((at for at, start in enumerate(self.starts) if start.place == place), None)
        if at is None:
            return
        self.starts[at].tried(looped=looped)
        if self.starts[at].failure < SOLVED:
            del self.starts[at]
            self._records[at : MAX_STARTS - 1] = self._records[at + 1 :].copy()

    def now_s(self) -> float:
        """Seconds of the loops that go on, of runs that began normally; `lost_s` has those that ended."""
        going = [f.now() for row, f in enumerate(self._finders) if not self._is_trial[row]]
        return sum(loop.lost_s for loop in going if loop is not None)

    def figures(self, *, forget: float) -> dict[str, float]:
        """The share of time lost in loops, and how many starts there are. forget: of the time until now, afterwards."""
        share = (self.lost_s + self.now_s()) / self.watched_s if self.watched_s else 0.0
        self.watched_s, self.lost_s = (1.0 - forget) * self.watched_s, (1.0 - forget) * self.lost_s
        return {"loop_share": share, "loop_starts": float(len(self.starts))}

    # --- state -------------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Everything that a restart needs."""
        notes = _Notes(
            self.starts, self._trials, [finder.state() for finder in self._finders], self._draws,
            [self.watched_s, self.lost_s],
        )  # fmt: skip
        return {
            "notes": np.frombuffer(msgspec.msgpack.encode(notes), np.uint8),
            "records": _bytes_of(self._records[: len(self.starts)]),
            "saved": _bytes_of(self._saved),
            "times": np.stack([self._saved_s, self._next_s, self._looked_s, self._began_s]),
            "flags": np.stack([self._is_trial, self._gained]),
            "before": self._before.copy(),
        }

    def load_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        """Take up what `tensors()` gave; raises KeyError or ValueError where it does not fit."""
        notes = msgspec.msgpack.decode(tensors["notes"].tobytes(), type=_Notes)
        records, saved = tensors["records"], tensors["saved"]
        if len(notes.trials) != self.count or records.shape != (len(notes.starts), layout.WORLD.itemsize):
            raise ValueError(f"{len(notes.trials)} runs and {records.shape} of records")
        self.starts, self._trials, self._draws = notes.starts, notes.trials, notes.draws
        self._finders = [LoopFinder(begun=state) for state in notes.finders]
        self.watched_s, self.lost_s = notes.totals
        _bytes_of(self._records[: len(records)])[:] = records
        _bytes_of(self._saved)[:] = saved
        self._saved_s, self._next_s, self._looked_s, self._began_s = tensors["times"].copy()
        self._is_trial, self._gained = tensors["flags"].copy()
        self._before = tensors["before"].copy()


def _bytes_of(records: NDArray[Any]) -> NDArray[np.uint8]:
    """Records [N] as bytes [N, size], the same memory."""
    return records.view(np.uint8).reshape(len(records), layout.WORLD.itemsize)


def _counted(records: Any) -> NDArray[np.float64]:
    """What a run gains: kills, gold, and levels with the share of the next, [..., 3]."""
    level = records["level"] + records["level_xp"] / np.maximum(records["next_xp"], 1e-6)
    return np.stack([records["kills"], records["gold"], level], axis=-1).astype(np.float64)


def _node(record: Any) -> Node:
    x, y, z = (int(np.floor(float(record[axis]) / CELL_M)) for axis in "xyz")
    return ("", int(record["level"]), (x, y, z), None)


def place_of(record: Any, node: Node) -> str:
    """What loops with one start have in common: tier, stage, and where most of it happens."""
    cell = node[2] or (0, 0, 0)
    return f"{int(record['tier'])} {int(record['stage'])} {cell[0] // PLACE_CELLS} {cell[2] // PLACE_CELLS}"
