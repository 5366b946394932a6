"""A1's game by PPO at the same number of steps: masked CartPole, the last four observations side by side.

It stands beside a1_cartpole and is no test of its own: `passed` says only that it learned more than a random policy.
Four copies, stretches of 128 steps each, four epochs, a rate of 2.5e-3 (the best of four settings tried on seed 9);
the wall time is that of everything.
"""

from __future__ import annotations

import time
from typing import Any, Final

import gymnasium
import numpy as np

from tools.bench.learning import _ppo

DEFAULT_SEEDS: Final = 3
FRAMES = 4
STEPS: Final = (7000, 30000)


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """The mean of the last ten episodes after each number of steps."""
    start = time.perf_counter()
    until = STEPS[:1] if reduced else STEPS
    done = _ppo.learn(lambda: gymnasium.make("CartPole-v1"), lambda raw: raw[[0, 2]], FRAMES, until[-1], seed)
    metrics = {str(at): float(np.mean([r for t, r in done if t <= at][-10:])) for at in until}
    return {"seed": seed, "last_ten_mean": metrics, "wall_s": round(time.perf_counter() - start, 1)}


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Means over seeds at each number of steps."""
    means = {at: float(np.mean([r["last_ten_mean"][at] for r in rows])) for at in rows[0]["last_ten_mean"]}
    return {"mean": means, "rows": rows, "passed": means[str(STEPS[0])] > 30.0}
