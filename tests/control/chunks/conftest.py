"""A motor that has learned nothing."""

from __future__ import annotations

import pytest
import torch

from agent.control.chunks.policy import PILOT_PREFIX
from agent.control.reflex.network import Tensors
from agent.control.untrained import untrained_tensors
from agent.core.goals.vector import PLACED_FEATURES
from agent.models.chunks.networks import ChunkCritics, ChunkStudent
from agent.models.sizes import CpqeSizes

SIZES = CpqeSizes(128 + 64, goal=PLACED_FEATURES, low=-0.2, high=1.0)


@pytest.fixture(scope="session")
def networks() -> tuple[ChunkStudent, ChunkCritics]:
    torch.manual_seed(0)
    return ChunkStudent(SIZES).requires_grad_(False), ChunkCritics(SIZES).requires_grad_(False)


@pytest.fixture(scope="session")
def tensors(networks: tuple[ChunkStudent, ChunkCritics]) -> Tensors:
    student, critics = networks
    found = {PILOT_PREFIX + name: t for name, t in untrained_tensors(0).items()}
    found |= {f"student.{name}": t.numpy() for name, t in student.state_dict().items()}
    return found | {f"critics.{name}": t.numpy() for name, t in critics.state_dict().items()}
