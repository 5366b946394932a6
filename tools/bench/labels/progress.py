"""Does a reward of progress, learned from pictures, order the pictures of unseen runs by the time to the goal?

    python -m tools.bench.labels.progress [--runs 160] [--steps 300] [--out FILE]

MinAtar Freeway, crossed by a player who mostly goes up: a run ends where it is across, and cars throw it back on the
way. `shuffled`: the pictures of each run of training are put in a random order first.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from agent.core.statistics import bootstrap
from agent.games.pixels import paint_flags
from agent.games.registered_env import make_env
from agent.learning.inverse_dynamics.progress import ProgressLearner, correlations
from agent.learning.pixels.episodes import Episode, Episodes
from agent.learning.pixels.prepared import fitted
from agent.models.inverse_dynamics.sizes import ProgressSizes
from tools.bench._result_file import publish
from tools.bench.labels._parts import part

BENCH: Final = "labels_progress"
SIZE_PX: Final = 64
BATCH: Final = 16
TESTED: Final = 40
CHANCES: Final = (0.15, 0.7, 0.15)
"""Of staying, going up and going down."""


def crossings(count: int, seed: int) -> Episodes:
    """Runs that end across the road."""
    env = make_env("minatar.gym:MinAtar/Freeway-v1")
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    items: list[Episode] = []
    frames = []
    while len(items) < count:
        frames.append(fitted(paint_flags(np.asarray(observation)), SIZE_PX))
        observation, reward, done, _, _ = env.step(int(rng.choice(3, p=CHANCES)))
        if reward > 0:
            items.append(Episode(name=f"run-{len(items)}", source="", frames=np.stack(frames), dt_s=1.0 / 15.0))
        if reward > 0 or done:
            frames = []
        if done:
            observation, _ = env.reset()
    return Episodes(items=tuple(items), layout=None, size_px=SIZE_PX)


def measure(runs: int, steps: int, seed: int, *, shuffled: bool) -> dict[str, Any]:
    """Rank correlations with the time to the goal on runs never seen."""
    learned, tested = crossings(runs, seed), crossings(TESTED, 1000 + seed)
    learner = ProgressLearner(learned, ProgressSizes(), batch=BATCH, steps=steps, seed=seed, shuffled=shuffled)
    for _ in range(steps):
        learner.update()
    found = bootstrap(correlations(learner.network, tested))
    return {
        "rank_correlation": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4),
        "pictures": learned.pictures, "tested": len(tested),
    }  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=160)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    asked = {"runs": args.runs, "steps": args.steps}
    values = {
        name: part(BENCH, name, asked, partial(measure, args.runs, args.steps, 0, shuffled=name == "shuffled"))
        for name in ("true", "shuffled")
    }
    publish(BENCH, {**asked, **values}, args.out)


if __name__ == "__main__":
    main()
