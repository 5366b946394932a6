"""Windows are read as wholes; a causal one sees nothing of what follows; lags read later steps."""

from __future__ import annotations

import torch

from agent.models.inverse_dynamics.network import InverseDynamics, Progress
from agent.models.inverse_dynamics.sizes import IdmSizes, ProgressSizes

SIZES = {"size_px": 16, "window": 6, "lags": 2, "filters": (4, 4, 4), "width": 16, "layers": 1}


@torch.no_grad()
def changed(*, causal: bool) -> list[bool]:
    """At which steps the logits change where the fourth step's features do."""
    torch.manual_seed(0)
    network = InverseDynamics(IdmSizes(outputs=3, causal=causal, **SIZES)).eval()
    features = torch.randn(1, 6, 16)
    other = features.clone()
    other[:, 3] = torch.randn(16)
    difference = (network.decide(features) - network.decide(other)).abs().amax(-1)[0]
    return [bool(d > 1e-7) for d in difference]


def test_a_window_is_read_in_both_directions_and_a_causal_one_is_not() -> None:
    assert changed(causal=False) == [True] * 6
    assert changed(causal=True) == [False] * 4 + [True] * 2


@torch.no_grad()
def test_a_lag_head_adds_what_a_later_step_says() -> None:
    network = InverseDynamics(IdmSizes(outputs=3, **SIZES)).eval()
    network.lag_shares[:] = torch.tensor([-1.0, -1.0, 1.0])
    features = torch.randn(1, 6, 16)
    added = network._of_lags(features)
    assert torch.allclose(added[:, :4], network.lag_heads[2](features[:, 2:]), atol=1e-5)
    assert added[:, 5].abs().max() < 1e-5


def test_progress_is_one_score_a_picture() -> None:
    network = Progress(ProgressSizes(size_px=16, filters=(4, 4, 4), width=8))
    assert network(torch.rand(5, 3, 16, 16)).shape == (5,)
