"""E3: reach a shrine in the arena, and be paid six seconds later: critics that look far ahead against one-step ones.

Five decisions a second walk the player in the first twenty seconds of a run. Who comes within 3 m of a shrine stands
there from then on, and is paid 1 thirty decisions later. Players walk in stretches, three in ten of them to the nearest
shrine, the others anywhere. Critics of the motor's own learner learn from the same chunks in equally many updates with
25 decisions of backup, and with one. Then, on runs that nobody saw, the best of sixteen straight chunks by the lower
bound is walked, four decisions at a time; success is to reach a shrine. Beside: chunks drawn at random, and straight
to the nearest shrine. Control: who is paid is exchanged between runs, which must teach nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from agent.games.arena import state as layout
from agent.learning.configs import CpqeConfig
from agent.learning.cpqe.learner import CpqeLearner
from agent.learning.cpqe.losses import best_of
from agent.learning.cpqe.windows import Chunks, Played, cut_chunks, joined
from agent.models.sizes import CpqeSizes
from agent.training.arena.batch import ArenaBatch

DEFAULT_SEEDS: Final = 3
TICKS: Final = 12
STEPS: Final = 100
NEAR_M: Final = 3.0
DELAY: Final = 30
SEARCH: Final = 50
"""Decisions in which a shrine must be reached to count; the rest of the episode is for the pay."""
UPDATES: Final = 500
LONGER: Final = 1500
BATCH: Final = 256
RUNS: Final = 64
ROUNDS: Final = 4
TOWARDS: Final = 0.3
TRIED: Final = 150
FIRST_SEED: Final = 57_000_000
SIZES: Final = CpqeSizes(features=6, action=2, hidden=64, low=-0.2, high=1.2)
WAYS: Final = np.stack([np.sin(np.arange(16) * np.pi / 8), np.cos(np.arange(16) * np.pi / 8)], 1).astype(np.float32)
Walk = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From conditions [N, 6] to move axes [N, 2]."""


class Walkers:
    """Runs of the arena in which a shrine is to be reached, from their beginning on."""

    def __init__(self, count: int, seed: int) -> None:
        self.batch = ArenaBatch(count, FIRST_SEED + seed, ticks=TICKS)
        self.waited = np.full(count, -1)
        self.over = np.zeros(count, np.bool_)

    def seen(self) -> NDArray[np.float32]:
        """Where the nearest shrine lies (right, ahead, nearness, distance), whether one was reached, and the wait."""
        r = self.batch.records
        dx, dz = r["thing_x"] - r["x"][:, None], r["thing_z"] - r["z"][:, None]
        far = np.hypot(dx, dz)
        is_shrine = np.isin(r["thing_kind"], (layout.THING_SHRINE, layout.THING_GREED)) & (r["thing_used"] == 0)
        far[~is_shrine | (np.arange(far.shape[1])[None] >= r["things"][:, None])] = np.inf
        rows, at = np.arange(len(far)), far.argmin(1)
        nearest = np.minimum(far[rows, at], 1e3)
        self.waited[(nearest < NEAR_M) & (self.waited < 0) & ~self.over] = 0
        there = self.waited >= 0
        right, ahead = dx[rows, at] / (nearest + 1e-3), dz[rows, at] / (nearest + 1e-3)
        columns = right, ahead, np.exp(-nearest / 10.0), nearest / 50.0, there, np.maximum(self.waited, 0) / DELAY
        found: NDArray[np.float32] = np.stack(columns, 1).astype(np.float32)
        found[there, :4] = 0.0
        return found

    def play(self, walk: Walk, steps: int) -> tuple[list[Played], NDArray[np.int64]]:
        """What was done in each run, and after how many decisions it reached a shrine, `steps` where it did not."""
        count = self.batch.count
        columns, reached, decisions = [], np.full(count, steps), np.zeros(count, np.int64)
        for step in range(steps):
            condition, playing = self.seen(), ~self.batch.in_menu & ~self.over
            there = self.waited >= 0
            reached[there] = np.minimum(reached[there], decisions[there])
            axes = np.zeros((count, 4), np.float32)
            axes[:, :2] = np.where((condition[:, 4] > 0)[:, None], 0.0, walk(condition))
            none = np.zeros((count, 3), np.int32)
            outcome = self.batch.step(axes, none, none[:, 0])
            decisions += playing
            self.waited += playing & there
            pays = playing & (self.waited >= DELAY)
            ended = pays | (outcome.is_last & ~self.over)
            self.over |= ended
            columns.append((
                condition, axes[:, :2].copy(), pays.astype(np.float32), playing, np.full(count, step == 0), ended,
            ))  # fmt: skip
        whole = [np.stack(parts, 1) for parts in zip(*columns, strict=True)]
        return [Played(*(column[row] for column in whole)) for row in range(count)], reached


class Player:
    """Walks in stretches of 4 to 12 decisions, some of them to the nearest shrine, the others anywhere."""

    def __init__(self, count: int, rng: np.random.Generator, towards: float = TOWARDS) -> None:
        self._rng, self._towards = rng, towards
        self._left, self._way = np.zeros(count, np.int64), np.zeros((count, 2), np.float32)
        self._follows = np.zeros(count, np.bool_)

    def __call__(self, condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next move of every run."""
        begins = self._left <= 0
        angle = self._rng.uniform(0.0, 2.0 * np.pi, len(begins))
        self._way[begins] = np.stack([np.sin(angle), np.cos(angle)], 1)[begins]
        self._follows[begins] = self._rng.random(int(begins.sum())) < self._towards
        self._left[begins] = self._rng.integers(4, 13, int(begins.sum()))
        self._left -= 1
        moved: NDArray[np.float32] = np.where(self._follows[:, None], condition[:, :2], self._way)
        return moved


class Critic:
    """Walks the straight chunk that the critics bound highest, four decisions at a time."""

    def __init__(self, learner: CpqeLearner, count: int) -> None:
        self._learner, self._step = learner, 0
        self._way = np.zeros((count, 2), np.float32)
        self._chunks = torch.from_numpy(np.tile(WAYS, (1, SIZES.chunk)))

    def __call__(self, condition: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next move of every run."""
        if self._step % SIZES.executed == 0:
            rows = torch.from_numpy(condition)
            with torch.no_grad():
                taken, _ = best_of(self._learner.critics, rows, self._chunks.expand(len(rows), -1, -1), 1.0)
            self._way = WAYS[taken.numpy()]
        self._step += 1
        return self._way


def gathered(seed: int, rounds: int, *, exchanged: bool = False) -> Callable[[int], Chunks]:
    """Chunks of the players by the decisions of their backup. exchanged: as the control has them."""
    rng, runs = np.random.default_rng(seed), list[Played]()
    for number in range(rounds):
        walkers = Walkers(RUNS, 100_000 * (1 + seed) + 1000 * number)
        runs += walkers.play(Player(RUNS, rng), STEPS)[0]
    if exchanged:
        runs = [_paid_at_random(run, bool(pay), rng) for run, pay in zip(runs, _shuffled(runs, rng), strict=True)]

    def of(backup: int) -> Chunks:
        return joined([cut_chunks(run, length=SIZES.chunk, backup=backup, gamma=0.99) for run in runs])

    return of


def _shuffled(runs: list[Played], rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.permutation([float(run.reward.sum()) for run in runs])


def _paid_at_random(run: Played, pay: bool, rng: np.random.Generator) -> Played:
    """The run with another's pay at any time, and without an end that would tell who reached a shrine.

    Pay that falls into no decision of the run is lost: else short runs, which reached one, were paid more densely.
    """
    reward = np.zeros_like(run.reward)
    at = int(rng.integers(STEPS))
    if pay and run.playing[at]:
        reward[at] = 1.0
    return msgspec.structs.replace(run, reward=reward, terminated=np.zeros_like(run.terminated))


def success(walk: Walk, seed: int, tried: int) -> float:
    """The share of held-out runs that reach a shrine within `SEARCH` decisions."""
    _, reached = Walkers(tried, 50_000_000 + 1000 * seed).play(walk, SEARCH + 10)
    return float((reached < SEARCH).mean())


def learned(chunks: Chunks, seed: int, updates: tuple[int, ...], tried: int) -> dict[str, float]:
    """Success after so many updates."""
    torch.manual_seed(seed)
    learner = CpqeLearner(SIZES, msgspec.structs.replace(CpqeConfig(), warm_up=100, seed=seed))
    found, done = {}, 0
    for enough in updates:
        for _ in range(enough - done):
            learner.judge(chunks.rows(torch.randint(0, len(chunks), (BATCH,), generator=learner.random)))
        done = enough
        found[str(enough)] = success(Critic(learner, tried), seed, tried)
    return found


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """Both backups, the control, and what is beside them."""
    rounds, tried = (2, 64) if reduced else (ROUNDS, TRIED)
    updates = (UPDATES,) if reduced else (UPDATES, LONGER)
    chunks = gathered(seed, rounds)
    row: dict[str, Any] = {
        "seed": seed,
        "chunks": len(chunks(25)),
        "backup_25": learned(chunks(25), seed, updates, tried),
        "one_step": learned(chunks(1), seed, updates, tried),
        "exchanged": learned(gathered(seed, rounds, exchanged=True)(25), seed, updates[:1], tried),
        "random": success(Player(tried, np.random.default_rng(seed), 0.0), seed, tried),
        "straight": success(Player(tried, np.random.default_rng(seed), 1.0), seed, tried),
    }
    print(row, flush=True)
    return row


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every seed must pass."""
    at = str(UPDATES)
    checks = {
        "25 decisions of backup reach a shrine at least twice as often as one, at equal updates": all(
            row["backup_25"][at] >= 2.0 * row["one_step"][at] for row in rows
        ),
        "and at least twice as often as chunks at random": all(
            row["backup_25"][at] >= 2 * row["random"] for row in rows
        ),
        "control: pay that is exchanged between runs teaches nothing": all(
            row["exchanged"][at] <= row["random"] + 0.15 for row in rows
        ),
    }
    return {"rows": rows, "updates": UPDATES, "checks": checks, "passed": all(checks.values())}
