"""Seams: chunks that come four decisions late; with the actions that are certain as a prefix, and without.

The shipped motor plays whole runs without a subgoal. A chunk is asked for every four decisions, and is there four
decisions later: what is executed meanwhile is the rest of the one before. The control, `naive`, makes the new chunk
without knowing that; `prefix` is given it and goes on from there; `eased` goes over from the second to the first in the
four actions after the seam. `at once` is play as it is: a new chunk at every decision, without a delay. Jerk is the
mean size of the second difference of the four axes, which are speeds. The same seeds in every arm.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent.control.chunks.network import make_chunks
from agent.control.chunks.policy import checked_planner, motor_tensors, pilot_part
from agent.control.chunks.seams import Running
from agent.control.policies import SHIPPED_MOTOR
from agent.control.untrained import pilot_of
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.goals import NONE, goal_vectors
from agent.training.arena.motor_data import MotorData, Shares
from tools.bench.learning.motor.subgoals import interval

DEFAULT_SEEDS: Final = 30
FIRST_SEED: Final = 58_000_000
DELAY: Final = 4
ARMS: Final = ("at once", "naive", "prefix", "eased")
EASED: Final = (0.75, 0.5, 0.25, 0.0)
"""Shares of the chunk that knows the prefix in the four actions after a seam, of `eased`."""
REDUCED_DECISIONS: Final = 600


class Runs:
    """Runs that the shipped motor plays in one of the ways of `ARMS`."""

    def __init__(self, seeds: list[int], arm: str) -> None:
        tensors = motor_tensors(SHIPPED_MOTOR)
        pilot, count = pilot_of(pilot_part(tensors)), len(seeds)
        self.batch = ArenaBatch(count, FIRST_SEED + seeds[0])
        self.data = MotorData(self.batch, pilot, shares=Shares(0.0, 0.0), seed=0)
        self.chunked = checked_planner(tensors, pilot.sizes.encoder.hidden + pilot.sizes.units, "the shipped motor")
        self._arm = arm
        self._running: list[Running | None] = [None] * count
        self._coming: list[NDArray[np.float32] | None] = [None] * count
        self._before: list[list[NDArray[np.float32]]] = [[] for _ in range(count)]
        self.jerk = np.zeros(count)
        self.counted = np.zeros(count)

    def played(self, max_decisions: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score (s) and jerk of every run; of whole runs where `max_decisions` is None."""
        count = self.batch.count
        scores, over, decisions = np.zeros(count), np.zeros(count, np.bool_), 0
        while not over.all() and (max_decisions is None or decisions < max_decisions):
            outcome = self.batch.step(*self._act(over))
            for row, run in zip(np.flatnonzero(outcome.is_last), outcome.ended, strict=True):
                scores[row] = scores[row] if over[row] else run.score_s
            over |= outcome.is_last
            scores[~over] = self.batch.records["time_s"][~over]
            decisions += 1
        return scores, self.jerk / np.maximum(self.counted, 1)

    def _act(self, over: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
        condition, out = self.data.think()
        axes, buttons, cards = self.data.act(out)
        none = np.full(self.batch.count, NONE, np.int32)
        seen = np.concatenate([condition.numpy(), goal_vectors(self.batch, none)], 1)
        for row in np.flatnonzero(~self.batch.in_menu):
            if self.batch.is_first[row]:
                self._running[row], self._coming[row], self._before[row] = None, None, []
            a = self._next(row, seen[row])
            axes[row], buttons[row, :2] = a[:4], a[4:6] > 0
            buttons[row, 2] |= int(a[6] > 0)
            if not over[row]:
                self._note(row, a[:4])
        return axes, buttons, cards

    def _next(self, row: int, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """A run's next action; at a seam the chunk that was asked for begins, and the next is asked for."""
        running = self._running[row]
        if running is None:
            running = self._running[row] = Running(self._made(seen, None, 0))
        elif self._arm == "at once":
            running.follow(self._made(seen, None, 0), 0)
        coming = self._coming[row]
        if self._arm != "at once" and running.left == (0 if coming is not None else DELAY):
            if coming is not None:
                running.follow(coming, DELAY)
            self._coming[row] = self._made(seen, running, DELAY)
        return running.take()

    def _made(self, seen: NDArray[np.float32], running: Running | None, delay: int) -> NDArray[np.float32]:
        length = self.chunked.sizes.chunk
        free = self._student(
            seen, np.zeros((length * self.chunked.sizes.action), np.float32), np.zeros(length, np.float32)
        )
        if running is None or self._arm in ("at once", "naive"):
            return free
        goes_on = self._student(seen, *running.ahead(delay))
        if self._arm == "prefix":
            return goes_on
        share = np.concatenate([np.ones(delay, np.float32), np.array(EASED, np.float32)])[:, None]
        eased: NDArray[np.float32] = share * goes_on + (1.0 - share) * free
        return eased

    def _student(self, seen: NDArray[np.float32], prefix: Any, known: Any) -> NDArray[np.float32]:
        """The likeliest chunk [H, A] after what is certain."""
        noise = np.zeros((1, len(prefix)), np.float32)
        chunk: NDArray[np.float32] = make_chunks(self.chunked.planner.student, seen, noise, prefix, known)[0]
        return chunk.reshape(len(known), -1)

    def _note(self, row: int, axes: NDArray[np.float32]) -> None:
        before = self._before[row]
        if len(before) == 2:
            self.jerk[row] += float(np.abs(axes - 2.0 * before[1] + before[0]).mean())
            self.counted[row] += 1
            before.pop(0)
        before.append(axes.copy())


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """All arms on all seeds; reduced: the first forty seconds of four runs, whose scores say nothing."""
    torch.set_num_threads(1)
    seeds = list(range(seeds[0], seeds[0] + 4)) if reduced else seeds
    found = {arm: Runs(seeds, arm).played(REDUCED_DECISIONS if reduced else None) for arm in ARMS}
    rows = {arm: {"score_s": interval(scores), "jerk": interval(jerk)} for arm, (scores, jerk) in found.items()}
    print(rows, flush=True)
    ratios = {arm: round(float(found[arm][1].mean() / found["naive"][1].mean()), 3) for arm in ("prefix", "eased")}
    gains = {arm: interval(found[arm][0] - found["naive"][0]) for arm in ("prefix", "eased")}
    checks = {f"jerk with {arm} at most .9 of that without": ratio <= 0.9 for arm, ratio in ratios.items()}
    if not reduced:
        for arm, gain in gains.items():
            checks[f"the score with {arm} is not lower: the interval of the difference reaches 0"] = gain["high"] >= 0.0
    return {
        "arms": rows, "jerk_ratio": ratios, "score_gain_s": gains, "delay_decisions": DELAY,
        "checks": checks, "passed": all(checks.values()),
    }  # fmt: skip
