"""A pilot before its first lesson. The one room of control that needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agent.control import layout
from agent.core.errors import WeightsError
from agent.models.actor_critic import Pilot
from agent.models.sizes import EncoderSizes, PilotSizes

Tensors = dict[str, NDArray[Any]]


def default_sizes() -> PilotSizes:
    """The widths of the pilots that are made here."""
    rings = layout.SECTORS * layout.RING_FEATURES
    encoder = EncoderSizes(layout.SELF_FEATURES, layout.TOKENS, layout.TOKEN_FEATURES, rings, token_hidden=32)
    return PilotSizes(encoder, layout.CARDS, layout.CARD_FEATURES, units=64, backbone=64)


def untrained_tensors(seed: int) -> Tensors:
    """Fresh parameters, the same for the same seed; torch's own random state is left as it was."""
    before = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = Pilot(default_sizes())
    torch.random.set_rng_state(before)
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def pilot_of(tensors: Tensors) -> Pilot:
    """The network in torch, of the sizes made here, with these weights; raises WeightsError where they do not fit."""
    network = Pilot(default_sizes())
    try:
        network.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"not the tensors of a pilot of the usual sizes: {' '.join(str(error).split())}") from error
    return network
