"""The pilot's step out of kernels: the network's own answer, and the operations it is made of."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from agent.control import encode
from agent.control.motor import Motor
from agent.control.reflex import paths
from agent.control.untrained import default_sizes, untrained_tensors
from agent.models.actor_critic import Pilot
from agent.models.kernel_pilot import KernelPilot, StepInputs, StepOutputs
from agent.models.quantised import Tensors, expand, round_four

CPU = torch.device("cpu")
TENSORS = untrained_tensors(1)


class Counted(TorchDispatchMode):
    """Counts the operations of this project that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "metabonk":
            self.calls[func._opname] += 1
        return func(*args, **(kwargs or {}))


def inputs(games: int) -> StepInputs:
    g = torch.Generator().manual_seed(games)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(games, *shape, generator=g)

    mask = torch.zeros(games, encode.TOKENS)
    mask[:, :5] = 1
    cards = some(encode.CARDS, encode.CARD_FEATURES)
    cards[:, 1] = 0
    return StepInputs(
        some(encode.SELF_FEATURES), some(encode.TOKENS, encode.TOKEN_FEATURES), mask,
        some(encode.SECTORS * encode.RING_FEATURES), cards, some(64), some(64), torch.rand(games, generator=g) * 8,
    )  # fmt: skip


def by_network(tensors: Tensors, x: StepInputs) -> StepOutputs:
    network = Pilot(default_sizes())
    network.load_state_dict({name: torch.from_numpy(np.asarray(t)) for name, t in tensors.items()})
    with torch.no_grad():
        out = network(*x[:7], x.elapsed_ticks.unsqueeze(1))
    return StepOutputs(torch.cat([out.axes_mean, out.buttons, out.value.unsqueeze(1)], 1), out.cards, out.hidden)


@pytest.mark.parametrize("games", [1, 3])
@pytest.mark.parametrize("format_", ["fp32", "int4", "nvfp4"])
def test_the_step_is_the_networks_with_the_weights_that_the_codes_stand_for(games: int, format_: Any) -> None:
    tensors = TENSORS if format_ == "fp32" else round_four(TENSORS, format_)
    assert paths.format_of(tensors) == format_
    x = inputs(games)
    found = KernelPilot(tensors, CPU, torch.float32).step(x)
    wanted = by_network(expand(tensors), x)
    assert torch.allclose(found.heads, wanted.heads, atol=1e-4)
    assert torch.allclose(found.hidden, wanted.hidden, atol=1e-5)
    assert torch.allclose(found.cards[:, [0, 2]], wanted.cards[:, [0, 2]], atol=1e-4)
    assert (found.cards[:, 1] < -1e3).all()


def test_a_step_with_int4_weights_is_made_of_the_kernels() -> None:
    pilot = KernelPilot(round_four(TENSORS, "int4"), CPU, torch.float32)
    with Counted() as counted:
        pilot.step(inputs(1))
    assert counted.calls == {"cfc_cell": 1, "w4a16_linear": 5}
    with Counted() as counted:
        KernelPilot(round_four(TENSORS, "nvfp4"), CPU, torch.float32).step(inputs(1))
    assert counted.calls == {"cfc_cell": 1, "nvfp4_linear_w4a16": 5}
    with Counted() as counted:
        KernelPilot(TENSORS, CPU, torch.float32).step(inputs(1))
    assert counted.calls == {"cfc_cell": 1}


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["int4", "nvfp4"])
def test_on_a_processor_four_bits_are_expanded_and_named_as_what_they_are(format_: Any) -> None:
    policy = Motor(round_four(TENSORS, format_))
    assert policy.chosen.as_builtins() == {"path": paths.FULL, "weights": format_, "measured_us": {}}
    four, plain = policy.reflex.join.w, Motor(TENSORS).reflex.join.w
    assert 0 < np.abs(four - plain).max() < 0.1
