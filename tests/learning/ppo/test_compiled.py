"""Compiled advantages and losses are those of torch, gradients included."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from agent.learning.configs import PPOConfig
from agent.learning.ppo.compiled import COMPILED
from agent.learning.ppo.returns import advantages
from agent.learning.ppo.update import PPO, Compiled, RolloutSequences
from agent.models.heads import Heads, log_prob
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes

STEPS = 96
CONFIG = PPOConfig(clip=0.2, value_weight=0.7, entropy_weight=0.03)
CONFIGS = [
    CONFIG,
    msgspec.structs.replace(CONFIG, clip_value=False),
    msgspec.structs.replace(CONFIG, larger_value=False),
]  # fmt: skip


def sequences(branches: tuple[int, ...], random: torch.Generator) -> RolloutSequences:
    """Steps by another policy: ratios, values and advantages on both sides of every bound; some are padding."""

    def normal(scale: float) -> torch.Tensor:
        return torch.randn(STEPS, 1, generator=random) * scale

    choices = torch.stack([torch.randint(n, (STEPS, 1), generator=random) for n in branches], -1)
    allowed = torch.rand(STEPS, 1, sum(branches), generator=random) < 0.8
    allowed.scatter_(
        -1, choices + torch.tensor([0, *np.cumsum(branches)[:-1]]), torch.ones_like(choices, dtype=torch.bool)
    )
    log_probs = normal(0.3) - float(np.log(np.prod(branches)))
    return RolloutSequences(
        torch.randn(STEPS, 1, 5, generator=random), torch.zeros(STEPS, 0), torch.zeros(STEPS, 1, dtype=torch.bool),
        torch.zeros(STEPS, 1), torch.zeros(STEPS, 1, 0), choices, allowed, log_probs, normal(0.3), normal(1.0),
        normal(1.0), (torch.rand(STEPS, 1, generator=random) < 0.9).float(),
    )  # fmt: skip


def learned(
    branches: tuple[int, ...], config: PPOConfig, compiled: Compiled | None
) -> tuple[list[float], list[torch.Tensor]]:
    """Figures and gradients of one minibatch."""
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(5, 0, branches))
    ppo = PPO(policy, config, compiled=compiled)
    figures = ppo._minibatch(sequences(branches, torch.Generator().manual_seed(1)))
    return figures.tolist(), [p.grad.clone() for p in policy.parameters() if p.grad is not None]


@pytest.mark.parametrize("config", CONFIGS, ids=["larger", "plain", "clipped"])
@pytest.mark.parametrize("branches", [(3,), (2, 4)])
def test_losses_and_gradients_are_those_of_torch(branches: tuple[int, ...], config: PPOConfig) -> None:
    figures, gradients = learned(branches, config, COMPILED)
    by_torch, wanted = learned(branches, config, None)
    np.testing.assert_allclose(figures, by_torch, atol=2e-6)
    assert by_torch[4] > 0.1, "no ratio is clipped, so nothing is shown"
    for ours, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_axes_are_left_to_torch() -> None:
    heads, _ = FlatPolicy(FlatSizes(5, 2, (3,)))(
        torch.zeros(4, 1, 5), torch.zeros(4, 0), torch.zeros(4, 1, dtype=torch.bool), torch.zeros(4, 1)
    )
    assert not COMPILED.can(heads)


@pytest.mark.parametrize("seed", range(4))
def test_advantages_are_those_of_torch(seed: int) -> None:
    rng, config = np.random.default_rng(seed), PPOConfig(gamma=0.97, lam=0.9)
    rewards, values, after = (rng.normal(size=STEPS).astype(np.float32) for _ in range(3))
    terminated = rng.random(STEPS) < 0.1
    cut = terminated | (rng.random(STEPS) < 0.1)
    cut[-1] = True
    ours = COMPILED.advantages(rewards, values, after, terminated, cut, config)
    rows = [torch.from_numpy(x)[:, None] for x in (rewards, values, after, terminated, cut)]
    assert np.allclose(ours, advantages(*rows, 0.97, 0.9)[:, 0].numpy(), rtol=0.0, atol=1e-5)


def test_a_loss_beside_is_added() -> None:
    torch.manual_seed(0)
    policy = FlatPolicy(FlatSizes(5, 0, (3,)))
    both = []
    for beside in (False, True):
        ppo = PPO(policy, msgspec.structs.replace(CONFIG, lr=0.0), compiled=COMPILED)
        if beside:
            ppo.beside = lambda: 5.0 * sum(p.square().sum() for p in policy.parameters())
        ppo._minibatch(sequences((3,), torch.Generator().manual_seed(1)))
        both.append(policy.actor[0].weight.grad.clone())
    assert not torch.allclose(both[0], both[1])


def test_choices_are_drawn_by_their_chances() -> None:
    torch.manual_seed(0)
    logits = (
        torch.tensor([[[0.0, 1.0, -1e9]]]).expand(20_000, 1, 3),
        torch.tensor([[[2.0, 0.0]]]).expand(20_000, 1, 2),
    )
    heads = Heads(torch.zeros(20_000, 1, 0), torch.zeros(20_000, 1, 0), logits, torch.zeros(20_000, 1))
    choices, said = COMPILED.sample(heads)
    shares = [np.bincount(choices[:, b], minlength=n) / 20_000 for b, n in enumerate((3, 2))]
    for share, of in zip(shares, logits, strict=True):
        np.testing.assert_allclose(share, torch.softmax(of[0, 0], -1).numpy(), atol=0.015)
    wanted = log_prob(heads, torch.zeros(20_000, 1, 0), torch.from_numpy(choices)[:, None])[:, 0]
    np.testing.assert_allclose(said, wanted.numpy(), atol=1e-5)
    assert abs(np.corrcoef(choices[:, 0], choices[:, 1])[0, 1]) < 0.03
