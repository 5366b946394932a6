"""The gate: paired episodes decide, random weights do not get through, and a loss in one task refuses."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.learning.merging.gate import BASE, CANDIDATE, UNIFORM, Task, judge

TASKS = [Task("gold", "a"), Task("shrines", "b"), Task("bow", "c"), Task("kills", "d")]


def _scores(means: dict[str, list[float]], *, seed: int = 0, episodes: int = 20, noise: float = 0.3) -> dict:
    """Runs of a seed are alike in half of their noise, whoever plays."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, noise, (len(TASKS), episodes))
    found: dict = {}
    for who, rows in means.items():
        found[who] = {t.name: rows[k] + shared[k] + rng.normal(0, noise, episodes) for k, t in enumerate(TASKS)}
    return found


MEANS = {
    BASE: [0.0] * 4, "a": [1, 0, 0, 0], "b": [0, 1, 0, 0], "c": [0, 0, 1, 0], "d": [0, 0, 0, 1],
    UNIFORM: [0.4] * 4,
}  # fmt: skip


def _accepted(candidate: list[float], **more: object) -> bool:
    return judge(_scores(MEANS | {CANDIDATE: candidate}, **more), TASKS, margin=0.25).accepted  # type: ignore[arg-type]


def test_what_gains_in_every_task_is_accepted_and_what_does_not_is_refused() -> None:
    assert _accepted([0.8] * 4)
    assert not _accepted([0.4] * 4)
    assert not _accepted([0.2] * 4)


def test_a_task_that_loses_more_than_the_margin_refuses_a_gain_over_all() -> None:
    verdict = judge(_scores(MEANS | {CANDIDATE: [1.3, 1.3, 1.3, 0.0]}), TASKS, margin=0.25)
    assert not verdict.accepted and any("kills may lose" in why for why in verdict.why)
    assert verdict.overall[UNIFORM][1] > 0
    assert _accepted([1.3, 1.3, 1.3, 0.6])


def test_the_best_source_must_be_beaten_too() -> None:
    scores = _scores(MEANS | {"a": [3, 3, 3, 3], CANDIDATE: [0.9] * 4})
    verdict = judge(scores, TASKS, margin=0.25)
    assert not verdict.accepted and any("no gain on a is shown" in why for why in verdict.why)


def test_candidates_that_are_as_good_as_uniform_are_accepted_in_at_most_one_of_twenty_trials() -> None:
    """The error of the first kind: no gain in truth. And with random scales, whose worth falls with their distance."""
    accepted = sum(_accepted([0.4] * 4, seed=s) for s in range(200))
    assert accepted <= 10
    rng, through, trials = np.random.default_rng(1), 0, 200
    for s in range(trials):
        scales = rng.uniform(0, 2, 4)
        worth = [0.4 - 0.3 * (x - 1.0) ** 2 - 0.05 * float(np.square(scales - 1.0).sum()) for x in scales]
        through += _accepted(worth, seed=1000 + s)
    assert through <= 0.05 * trials


def test_fewer_than_20_episodes_give_no_verdict() -> None:
    with pytest.raises(SettingsError, match="19 episodes; a verdict needs 20"):
        judge(_scores(MEANS | {CANDIDATE: [1.0] * 4}, episodes=19), TASKS)


def test_for_uniform_ties_itself_the_base_stands_in() -> None:
    scores = _scores(MEANS | {CANDIDATE: [0.6] * 4, UNIFORM: [0.6] * 4})
    assert not judge(scores, TASKS, margin=0.25).accepted
    verdict = judge(scores, TASKS, margin=0.25, against=BASE)
    assert verdict.accepted and verdict.tasks["gold"]["against"] == BASE


def test_pairs_are_compared_seed_by_seed() -> None:
    """The same values in another order are no gain and no loss on average, but no longer pairs."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 5.0, (4, 40))
    means = MEANS | {CANDIDATE: [0.9] * 4}
    scores = {
        who: {t.name: luck[k] + m for k, (t, m) in enumerate(zip(TASKS, rows, strict=True))}
        for who, rows in means.items()
    }
    assert judge(scores, TASKS).accepted
    shuffled = scores | {CANDIDATE: {t.name: rng.permutation(scores[CANDIDATE][t.name]) for t in TASKS}}
    assert not judge(shuffled, TASKS).accepted
