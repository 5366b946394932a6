"""What proposals are worth to the search of a merge's weights: who knows is ahead, who draws at random is not."""

from __future__ import annotations

import numpy as np

from tools.bench.skills.proposals import PROPOSERS, curve, worth


def test_worth_falls_with_the_distance_from_the_best() -> None:
    best = np.array([1.0, 0.5, 1.5, 1.0])
    assert worth(best, best) > worth(best + 0.1, best) > worth(best + 0.5, best)


def test_who_knows_is_ahead_of_nobody_and_random_is_not() -> None:
    after = {
        name: np.mean([curve(PROPOSERS[name], t, 300)[-1] for t in range(6)]) for name in ("nobody", "random", "knows")
    }
    assert after["knows"] > after["nobody"] > after["random"] - 0.01
