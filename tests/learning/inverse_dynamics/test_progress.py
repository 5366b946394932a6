"""Progress is told on runs never seen; in shuffled pictures there is none."""

from __future__ import annotations

import numpy as np
import torch

from agent.learning.inverse_dynamics.progress import ProgressLearner, correlations, rank_correlation
from agent.learning.pixels.episodes import Episode, Episodes
from agent.models.inverse_dynamics.sizes import ProgressSizes

SIZES = ProgressSizes(size_px=32, filters=(8, 8, 8), width=16)


def runs(count: int, first: int = 0) -> Episodes:
    items = []
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        rows = int(rng.integers(20, 40))
        frames = rng.integers(0, 60, (rows, 32, 32, 3), dtype=np.uint8)
        for t in range(rows):
            at = round(28 * t / (rows - 1))
            frames[t, at : at + 4, 10:20] = 255
        items.append(Episode(name=str(seed), source="", frames=frames, dt_s=0.1))
    return Episodes(items=tuple(items), layout=None, size_px=32)


def correlation(*, shuffled: bool) -> float:
    torch.set_num_threads(1)
    learner = ProgressLearner(runs(6), SIZES, batch=8, steps=40, shuffled=shuffled)
    for _ in range(40):
        learner.update()
    return float(np.mean(correlations(learner.network, runs(8, 50))))


def test_progress_is_seen_in_runs_never_seen() -> None:
    assert correlation(shuffled=False) > 0.8


def test_shuffled_pictures_hold_no_progress() -> None:
    assert abs(correlation(shuffled=True)) < 0.6


def test_ranks_are_of_order_not_of_size() -> None:
    rows = np.arange(10, dtype=np.float32)
    assert rank_correlation(rows, np.exp(rows)) > 0.999
    assert rank_correlation(rows, -rows) < -0.999
    assert rank_correlation(rows, np.zeros(10, np.float32)) == 0.0
