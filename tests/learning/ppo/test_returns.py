"""Advantages against their definition, and what a cut does to them."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.learning.ppo.returns import advantages


def by_definition(r, v, after, terminated, cut, gamma, lam):  # type: ignore[no-untyped-def]
    """The double sum: A_t = Σ_k (γλ)^k δ_{t+k}, up to the first cut."""
    steps, runs = r.shape
    result = torch.zeros_like(r)
    for n in range(runs):
        for t in range(steps):
            for k in range(steps - t):
                i = t + k
                delta = r[i, n] + gamma * (0.0 if terminated[i, n] else after[i, n]) - v[i, n]
                result[t, n] += (gamma * lam) ** k * delta
                if cut[i, n]:
                    break
    return result


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 24), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_advantages_are_their_definition(seed: int, steps: int, gamma: float, lam: float) -> None:
    torch.manual_seed(seed)
    r, v, after = (torch.randn(steps, 3, dtype=torch.float64) for _ in range(3))
    cut = torch.rand(steps, 3) < 0.2
    terminated = cut & (torch.rand(steps, 3) < 0.5)
    found = advantages(r, v, after, terminated, cut, gamma, lam)
    assert torch.allclose(found, by_definition(r, v, after, terminated, cut, gamma, lam), atol=1e-9)


def test_a_truncated_episode_is_bootstrapped_and_a_terminated_one_is_not() -> None:
    r, v, after = torch.ones(4, 2), torch.zeros(4, 2), torch.zeros(4, 2)
    after[3] = 10.0
    cut = torch.zeros(4, 2, dtype=torch.bool)
    cut[3] = True
    terminated = torch.zeros(4, 2, dtype=torch.bool)
    terminated[3, 1] = True
    found = advantages(r, v, after, terminated, cut, 1.0, 1.0)
    assert found[0].tolist() == [14.0, 4.0]


def test_nothing_leaks_from_the_next_episode() -> None:
    r, zeros = torch.zeros(6, 1), torch.zeros(6, 1)
    cut = torch.zeros(6, 1, dtype=torch.bool)
    cut[2] = True
    r[3:] = 100.0
    assert advantages(r, zeros, zeros, cut, cut, 0.99, 0.95)[:3].abs().max() == 0.0
