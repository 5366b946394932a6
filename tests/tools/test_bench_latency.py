"""The comparison of the agent's latency with the floor's: blocks of both, and ratios with intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tools.bench.latency import blocks_of, compare


def answers(seconds: float, ms: float, *, start_s: float = 0.0, seed: int = 0) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    times = start_s + np.arange(0.0, seconds, 1 / 60)
    return [(float(t), float(v)) for t, v in zip(times, ms * rng.lognormal(0.0, 0.2, len(times)), strict=True)]


def test_blocks_are_seconds_in_which_both_answered_without_the_first() -> None:
    agent, floor = answers(10.0, 1.0, start_s=2.0), answers(20.0, 1.0)
    silent = [(t, v) for t, v in floor if not 5.0 <= t < 6.0]
    blocks = blocks_of([agent, silent])
    assert len(blocks) == 7, "2…12 s are shared; the first is left out, one has no answer, the last is not whole"
    assert all(58 <= len(side) <= 61 for block in blocks for side in block)


def test_a_ratio_lies_in_its_interval_and_noise_that_meets_both_cancels() -> None:
    agent, floor = answers(30.0, 0.8, seed=1), answers(30.0, 0.4, seed=2)
    noisy = [[(t, v * (8.0 if 10.0 <= t < 14.0 else 1.0)) for t, v in side] for side in (agent, floor)]
    result = compare(blocks_of(noisy), draws=200)
    ratio = result["p50_ratio"]
    assert ratio["low"] < ratio["value"] < ratio["high"]
    assert ratio["value"] == pytest.approx(2.0, rel=0.05) and ratio["high"] - ratio["low"] < 0.3
    assert result["agent"]["answers"] == sum(len(b[0]) for b in blocks_of(noisy))
