"""A learner's tensors by name, its optimisers' state among them: checked before they are taken up, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from agent.core.errors import WeightsError
from agent.learning.adam import Adam

ADAM_MOMENTS: Final = ("step", "exp_avg", "exp_avg_sq")
Named = Sequence[tuple[str, nn.Parameter]]
OptimiserState = Mapping[Tensor, Mapping[str, Tensor]]


def module_tensors(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Parameters and saved buffers; views, not copies."""
    return {prefix + name: tensor for name, tensor in module.state_dict().items()}


@torch.no_grad()
def take_up(own: dict[str, Tensor], given: dict[str, Tensor]) -> None:
    """Copy `given` into `own`; raises WeightsError, with nothing changed, where they differ in names, shapes, types."""
    missing, more = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    if missing or more:
        raise WeightsError(f"tensors differ: missing {missing[:3]}, unknown {more[:3]}")
    for name, tensor in own.items():
        other = given[name]
        if other.shape != tensor.shape or other.dtype != tensor.dtype:
            raise WeightsError(f"{name} is {other.dtype} {list(other.shape)}, not {tensor.dtype} {list(tensor.shape)}")
        if other.is_floating_point() and not bool(torch.isfinite(other).all()):
            raise WeightsError(f"{name} holds a number that is not finite")
    for name, tensor in own.items():
        tensor.copy_(given[name])


def moment_tensors(template: str, named: Named, state: OptimiserState) -> dict[str, Tensor]:
    """An optimiser's state as tensors by name: views, not copies.

    `template` makes the name from {name} of the parameter and {moment}, as in "adam.{name}.{moment}". A parameter that
    was never stepped has none.
    """
    return {
        template.format(name=name, moment=moment): tensor
        for name, parameter in named
        for moment, tensor in state.get(parameter, {}).items()
    }


def load_adam(template: str, named: Named, optimiser: Adam, tensors: dict[str, Tensor]) -> None:
    """Give Adam (or AdamW) the state that `moment_tensors` wrote with the same template; others in `tensors` are left.

    Raises WeightsError, with nothing changed, where a parameter has only some of its moments or they do not fit it.
    """
    state: dict[Tensor, dict[str, Tensor]] = {}
    given: dict[str, Tensor] = {}
    for name, parameter in named:
        wanted = [template.format(name=name, moment=moment) for moment in ADAM_MOMENTS]
        found = {key: tensors[key] for key in wanted if key in tensors}
        if found:
            given |= found
            blank = (torch.zeros(()), torch.zeros_like(parameter), torch.zeros_like(parameter))
            state[parameter] = dict(zip(ADAM_MOMENTS, blank, strict=True))
    take_up(moment_tensors(template, named, state), given)
    optimiser.state.clear()
    optimiser.state.update(state)
