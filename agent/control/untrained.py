"""A pilot before its first lesson. The one room of control that needs torch."""

from __future__ import annotations

import torch

from agent.control import encode
from agent.control.reflex import Tensors
from agent.models.actor_critic import Pilot, PilotSizes
from agent.models.encoder import EncoderSizes


def default_sizes() -> PilotSizes:
    """The widths of the pilots that are made here."""
    rings = encode.SECTORS * encode.RING_FEATURES
    encoder = EncoderSizes(encode.SELF_FEATURES, encode.TOKENS, encode.TOKEN_FEATURES, rings, token_hidden=32)
    return PilotSizes(encoder, encode.CARDS, encode.CARD_FEATURES, units=64, backbone=64)


def untrained_tensors(seed: int) -> Tensors:
    """Fresh parameters, the same for the same seed; torch's own random state is left as it was."""
    before = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network = Pilot(default_sizes())
    torch.random.set_rng_state(before)
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}
