"""Four subgoals with the same weights on the same seeds: each must be met best by who pursues it.

The shipped motor plays the first 150 s of 50 runs without a subgoal and with each that motors are trained on; counted
are chests bought, shrines used, bosses (half for one that was called) and levels. Beside: the subgoal in the critics
alone, which choose among eight chunks that the student makes without one; and the script whose play towards each
subgoal it learned from. Control: the subgoals exchanged in a ring, where the share of runs in which the subgoal that is
told was the one met best, relative to no subgoal, must fall to chance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent.control.chunks.network import bound_chunks, make_chunks
from agent.control.chunks.policy import (
    BETA,
    CANDIDATES,
    COMMITTED,
    TRAINED,
    Chunked,
    checked_planner,
    likeliest,
    motor_tensors,
    pilot_part,
)
from agent.control.policies import SHIPPED_MOTOR
from agent.control.untrained import pilot_of
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.goals import NONE, counted, goal_vectors
from agent.training.arena.motor_data import MotorData, Shares

DEFAULT_SEEDS: Final = 50
FIRST_SEED: Final = 55_000_000
PLAYED_S: Final = 150.0
NAMES: Final = ("chests", "shrines", "bosses", "levels")
RESAMPLES: Final = 2000


class _Runs:
    """Runs that a motor plays with one subgoal, and what was gained in each.

    by_critics: the student makes eight chunks without the subgoal, and the critics choose one for it.
    """

    def __init__(self, path: Path, seeds: list[int], goal: int, *, by_critics: bool = False) -> None:
        self._by_critics, self._random = by_critics, np.random.default_rng(seeds[0])
        tensors = motor_tensors(path)
        pilot = pilot_of(pilot_part(tensors))
        self.batch = ArenaBatch(len(seeds), FIRST_SEED + seeds[0])
        self.data = MotorData(self.batch, pilot, shares=Shares(0.0, 0.0), seed=0)
        self.chunked = checked_planner(tensors, pilot.sizes.encoder.hidden + pilot.sizes.units, str(path))
        self.goals = np.full(len(seeds), goal, np.int32)
        self._chunks: list[NDArray[np.float32] | None] = [None] * len(seeds)
        self._taken = np.zeros(len(seeds), np.int32)

    def gained(self) -> NDArray[np.float64]:
        """[N, 4] until `PLAYED_S` or the end of the run, and [N] seconds played as the last column."""
        count = self.batch.count
        over, found = np.zeros(count, np.bool_), np.zeros((count, 5))
        while not over.all():
            before = counted(self.batch)
            outcome = self.batch.step(*self._act())
            grown = np.maximum(counted(self.batch) - before, 0.0) * ~outcome.is_last[:, None]
            found[:, :4] += grown * ~over[:, None]
            found[:, 4] += outcome.seconds * ~over
            over |= outcome.is_last | (self.batch.records["time_s"] >= PLAYED_S)
        return found

    def _act(self) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
        condition, out = self.data.think()
        axes, buttons, cards = self.data.act(out)
        seen = np.concatenate([condition.numpy(), goal_vectors(self.batch, self.goals)], 1)
        for row in np.flatnonzero(~self.batch.in_menu):
            a = self._next(self.chunked, row, seen[row])
            axes[row], buttons[row, :2] = a[:4], a[4:6] > 0
            buttons[row, 2] |= int(a[6] > 0)
        return axes, buttons, cards

    def _next(self, chunked: Chunked, row: int, condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """A run's next action, as `control.chunks.policy` takes it."""
        chunk = self._chunks[row]
        if chunk is None or self._taken[row] >= COMMITTED or self.batch.is_first[row]:
            chunk = self._chosen(chunked, condition) if self._by_critics else likeliest(chunked, condition)
            self._chunks[row], self._taken[row] = chunk, 0
        each = chunked.sizes.action
        self._taken[row] += 1
        return chunk[(self._taken[row] - 1) * each : self._taken[row] * each]

    def _chosen(self, chunked: Chunked, condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of eight chunks that know of no subgoal, the first of them the likeliest, the one that the critics choose."""
        width = chunked.sizes.chunk * chunked.sizes.action
        noise = self._random.standard_normal((CANDIDATES, width)).astype(np.float32)
        noise[0] = 0.0
        without = condition.copy()
        without[chunked.sizes.features :] = 0.0
        nothing = np.zeros(width, np.float32), np.zeros(chunked.sizes.chunk, np.float32)
        chunks = make_chunks(chunked.planner.student, without, noise, *nothing)
        bounds, _ = bound_chunks(chunked.planner.critics, chunked.planner.bins, condition, chunks, BETA)
        chosen: NDArray[np.float32] = chunks[int(np.argmax(bounds))]
        return chosen


def scripted(seeds: list[int], goal: int) -> NDArray[np.float64]:
    """What the script gains towards a subgoal; the motor that is loaded only sees."""
    runs = _Runs(SHIPPED_MOTOR, seeds, goal)
    runs.data.goals = runs.goals
    runs._act = lambda: runs.data.act(runs.data.think()[1])  # type: ignore[method-assign]
    return runs.gained()


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean, and a 95 % bootstrap interval over runs."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": round(float(values.mean()), 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """All subgoals on all seeds; reduced: two subgoals on eight."""
    torch.set_num_threads(1)
    seeds = list(range(seeds[0], seeds[0] + 8)) if reduced else seeds
    goals = [1, 3] if reduced else list(range(len(TRAINED)))
    found = {goal: _Runs(SHIPPED_MOTOR, seeds, goal).gained() for goal in [NONE, *goals]}
    rows: dict[str, Any] = {}
    for goal, gained in found.items():
        name = "none" if goal == NONE else TRAINED[goal].describe()
        rows[name] = row_of(gained)
        print(name, rows[name], flush=True)
    checks, scripts, critics = {}, {}, {}
    chosen = {NONE: found[NONE]}
    for goal in goals:
        told_to = TRAINED[goal].describe()
        checks[f"{NAMES[goal]}: best by its own subgoal, intervals disjoint"] = is_best(rows, goals, goal)
        chosen[goal] = _Runs(SHIPPED_MOTOR, seeds, goal, by_critics=True).gained()
        critics[told_to] = row_of(chosen[goal])
        print("critics alone", told_to, critics[told_to], flush=True)
        if not reduced:
            scripts[told_to] = row_of(scripted(seeds, goal))
    exchanged = met(found, goals, shift=1)
    hit = met(found, goals, shift=0)
    beside = {"none": rows["none"], **critics}
    return {
        "motor": rows, "critics_alone": critics, "script": scripts,
        "critics_alone_best": sum(is_best(beside, goals, goal) for goal in goals),
        "critics_alone_is_met": met(chosen, goals, shift=0),
        "told_is_met": hit, "exchanged_is_met": exchanged, "chance": 1 / len(goals),
        "checks": checks | {"control: exchanged subgoals at chance + .05": exchanged <= 1 / len(goals) + 0.05},
        "passed": all(checks.values()) and exchanged <= 1 / len(goals) + 0.05,
    }  # fmt: skip


def row_of(gained: NDArray[np.float64]) -> dict[str, Any]:
    """What was gained of each measure, with its interval."""
    return {name: interval(gained[:, i]) for i, name in enumerate((*NAMES, "seconds"))}


def is_best(rows: dict[str, Any], goals: list[int], goal: int) -> bool:
    """Whether a subgoal's measure is highest with it, by an interval that meets no other's."""
    name = NAMES[goal]
    others = [rows["none"][name]] + [rows[TRAINED[g].describe()][name] for g in goals if g != goal]
    return bool(rows[TRAINED[goal].describe()][name]["low"] > max(other["high"] for other in others))


def met(found: dict[int, NDArray[np.float64]], goals: list[int], *, shift: int) -> float:
    """The share of runs whose gain over no subgoal, in deviations, is largest for the subgoal `shift` places on."""
    plain = found[NONE][:, goals]
    scale = np.concatenate([gained[:, goals] for gained in found.values()]).std(0) + 1e-9
    hits = [
        ((found[goal][:, goals] - plain) / scale).argmax(1) == (at + shift) % len(goals)
        for at, goal in enumerate(goals)
    ]
    return float(np.mean(hits))
