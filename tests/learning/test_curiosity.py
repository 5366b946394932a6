"""Curiosity pays for what was not seen yet, and not for noise that was."""

from __future__ import annotations

import numpy as np
import torch

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.curiosity import Curiosity

STEPS = 128


def rollout(obs: np.ndarray, after: np.ndarray) -> Rollout:
    """Steps that do not follow one another: each ends its episode, so that what was seen after it is told."""
    n = len(obs)
    return Rollout(
        instance="a", policy="ppo", policy_version=0, obs=obs.astype(np.float32),
        actions_cont=np.zeros((n, 0), np.float32), actions_disc=np.zeros((n, 1), np.int64),
        rewards=np.zeros(n, np.float32), terminated=np.ones(n, np.bool_), truncated=np.zeros(n, np.bool_),
        is_first=np.ones(n, np.bool_), elapsed_s=np.zeros(n, np.float32), final_obs=after.astype(np.float32),
    )  # fmt: skip


def known(rng: np.random.Generator, sign: float = 1.0) -> Rollout:
    """Steps of one half of the space: the other half, by sign, is as large and as easy."""
    obs = sign * np.abs(rng.normal(size=(STEPS, 8)))
    return rollout(obs, np.roll(obs, 1, 1))


def noisy(rng: np.random.Generator) -> Rollout:
    """The next observation is noise: nobody can say it beforehand, and seeing more of it does not help."""
    return rollout(np.full((STEPS, 8), 0.8), rng.normal(size=(STEPS, 8)))


def paid(curiosity: Curiosity, rng: np.random.Generator) -> list[float]:
    """What one call pays for what is known, for noise that was seen, and for what is new, in one unit."""
    return [float(x.mean()) for x in curiosity.pay([known(rng), noisy(rng), known(rng, -1.0)])]


def test_what_is_new_pays_more_than_what_was_seen_noise_included() -> None:
    torch.manual_seed(0)
    rng, curiosity = np.random.default_rng(0), Curiosity(8, ActionSpec(0, (2,)))
    seen, _, new = paid(Curiosity(8, ActionSpec(0, (2,))), rng)
    assert 0.5 < new / seen < 2.0, "the halves differ before anything was learned"
    for _ in range(60):
        curiosity.pay([known(rng), noisy(rng)])
    seen, of_noise, new = paid(curiosity, rng)
    assert new > 3.0 * max(seen, of_noise), (seen, of_noise, new)


def test_a_copy_pays_the_same() -> None:
    rng, curiosity = np.random.default_rng(0), Curiosity(8, ActionSpec(0, (2,)), seed=1)
    curiosity.pay([known(rng)])
    other = Curiosity(8, ActionSpec(0, (2,)), seed=2)
    other.load_tensors({name: t.clone() for name, t in curiosity.tensors().items()})
    one, two = known(np.random.default_rng(7)), known(np.random.default_rng(7))
    for _ in range(2):  # the second time after both have learned from it
        assert np.array_equal(curiosity.pay([one])[0], other.pay([two])[0])


def test_large_observations_are_foretold_as_sums() -> None:
    curiosity = Curiosity(400, ActionSpec(1, (3,)))
    assert curiosity.models.seen(torch.zeros(2, 400)).shape == (2, 64)
