"""Sizes are read from manifests, and names that are none are refused."""

from __future__ import annotations

import msgspec
import pytest

from agent.models.inverse_dynamics.network import InverseDynamics
from agent.models.inverse_dynamics.sizes import CHANNELS, IdmSizes


def test_the_model_has_one_to_two_million_numbers_and_reads_all_channels() -> None:
    sizes = IdmSizes(outputs=20)
    network = InverseDynamics(sizes)
    assert 0.9e6 < sum(p.numel() for p in network.parameters()) < 2e6
    assert network.stages[0].weight.shape[1] == CHANNELS["both"]
    assert msgspec.convert(msgspec.to_builtins(sizes), IdmSizes) == sizes
    with pytest.raises(msgspec.ValidationError, match="widht"):
        msgspec.convert({"outputs": 3, "widht": 4}, IdmSizes)
