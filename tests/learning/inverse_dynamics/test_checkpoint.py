"""A checkpoint of a network and its optimizer: training goes on to the bit, and another network's is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from agent.core.errors import WeightsError
from agent.learning.inverse_dynamics.checkpoint import checkpoint_tensors, load_checkpoint


def trained(network: nn.Linear, optimizer: torch.optim.Optimizer, steps: int) -> torch.Tensor:
    x = torch.linspace(-1, 1, 12).view(4, 3)
    for _ in range(steps):
        optimizer.zero_grad()
        (network(x) - 1.0).square().mean().backward()
        optimizer.step()
    return network.weight.detach().clone()


def fresh(outputs: int = 2) -> tuple[nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = nn.Linear(3, outputs)
    return network, torch.optim.AdamW(network.parameters(), lr=0.05)


def test_what_was_kept_goes_on_to_the_bit_and_without_the_optimizers_part_it_does_not() -> None:
    one = fresh()
    trained(*one, 5)
    kept = {name: t.clone() for name, t in checkpoint_tensors(*one, "net").items()}
    straight = trained(*one, 3)
    two, weights_alone = fresh(), fresh()
    load_checkpoint(*two, "net", {**kept, "updates": torch.tensor([5])})
    assert torch.equal(trained(*two, 3), straight)
    load_checkpoint(*weights_alone, "net", {name: t for name, t in kept.items() if name.startswith("net.")})
    assert not torch.equal(trained(*weights_alone, 3), straight)


def test_the_checkpoint_of_another_network_is_refused_in_one_line() -> None:
    kept = checkpoint_tensors(*fresh(outputs=5), "net")
    with pytest.raises(WeightsError, match="not the checkpoint of this training.*size mismatch") as refused:
        load_checkpoint(*fresh(), "net", kept)
    assert "\n" not in str(refused.value)
    with pytest.raises(WeightsError, match="Missing key"):
        load_checkpoint(*fresh(), "other", kept)
