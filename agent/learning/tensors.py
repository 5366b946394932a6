"""A learner's tensors by name: checked before they are taken up, all or none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from agent.core.errors import WeightsError


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
