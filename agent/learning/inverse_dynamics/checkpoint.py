"""A network and its torch optimizer as tensors by name: what a training goes on from."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from agent.core.errors import WeightsError

_OPTIMIZER: Final = "optimizer."


def checkpoint_tensors(network: nn.Module, optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """The network's tensors as `PREFIX.NAME`, the optimizer's as `optimizer.INDEX.NAME`; some are views."""
    kept = {f"{prefix}.{name}": t for name, t in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        kept |= {f"{_OPTIMIZER}{index}.{name}": torch.as_tensor(t) for name, t in state.items()}
    return kept


def load_checkpoint(
    network: nn.Module, optimizer: torch.optim.Optimizer, prefix: str, tensors: dict[str, Tensor]
) -> None:
    """Take up what `checkpoint_tensors` gave; other names are left alone. Raises WeightsError where they do not fit."""
    own = {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise WeightsError(f"not the checkpoint of this training: {' '.join(str(error).split())[:200]}") from error
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMIZER):
            _, index, what = name.split(".", 2)
            state.setdefault(int(index), {})[what] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
