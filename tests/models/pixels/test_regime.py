"""Regimes: the prior stays, the losses are what they say."""

from __future__ import annotations

import torch

from agent.models.pixels.regime import STICKY, Regime


def test_the_prior_stays_and_the_next_is_the_likeliest() -> None:
    regime = Regime(4)
    assert torch.allclose(regime.prior.softmax(-1).diagonal(), torch.tensor(STICKY))
    now = torch.eye(4)
    assert torch.equal(regime.next(now), now)
    with torch.no_grad():
        regime.prior[0, 2] = 5.0
    assert regime.next(now)[0].argmax() == 2


def test_divergence_is_no_negative_and_usage_is_highest_for_even_use() -> None:
    torch.manual_seed(0)
    regime = Regime(4)
    logits = regime.logits(torch.rand(6, 5, 3, 32, 32))
    drawn = regime.draw(logits, 1.0)
    assert torch.equal(drawn.sum(-1), torch.ones(6, 5)) and drawn.max() == 1.0
    even = torch.full((2, 4, 4), -9.0)
    even[:, torch.arange(4), torch.arange(4)] = 9.0
    one = torch.zeros(2, 4, 4)
    one[..., 1] = 18.0
    losses = {
        name: regime.losses(x, torch.nn.functional.one_hot(x.argmax(-1), 4).float())
        for name, x in (("even", even), ("one", one))
    }
    assert losses["even"].usage > 1.38 > 0.01 > losses["one"].usage
    assert losses["even"].divergence > 1.0 > 0.1 > losses["one"].divergence > 0.0
    assert regime.losses(logits, drawn).divergence >= 0
