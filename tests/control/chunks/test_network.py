"""The compiled choice of a chunk computes what the networks in torch do."""

from __future__ import annotations

import numpy as np
import torch

from agent.control.chunks.network import build_planner, make_chunks, plan
from agent.control.reflex.network import Tensors
from agent.learning.cpqe.losses import best_of, drawn_prefix
from agent.models.chunks.networks import ChunkCritics, ChunkStudent
from tests.control.chunks.conftest import SIZES

WIDTH = SIZES.chunk * SIZES.action


def test_chunks_bounds_and_choice_are_those_of_torch(
    networks: tuple[ChunkStudent, ChunkCritics], tensors: Tensors
) -> None:
    student, critics = networks
    planner = build_planner(tensors)
    random = torch.Generator().manual_seed(1)
    taken = set()
    for _ in range(20):
        condition = torch.randn(1, SIZES.features + SIZES.goal, generator=random)
        noise, running = torch.randn(8, WIDTH, generator=random), torch.rand(1, WIDTH, generator=random) * 2 - 1
        prefix = drawn_prefix(running, SIZES.chunk, 4, random)
        made = student(condition.expand(8, -1), noise, prefix.actions.expand(8, -1), prefix.known.expand(8, -1))
        made = torch.where(prefix.spread() > 0, prefix.actions, made).clamp(-1.0, 1.0)
        best, bounds = best_of(critics, condition, torch.cat([made, running])[None], 1.0)
        found = plan(
            planner, condition[0].numpy(), noise.numpy(), prefix.actions[0].numpy(), prefix.known[0].numpy(),
            running[0].numpy(), 1.0, 0.0,
        )  # fmt: skip
        assert np.allclose(found.bounds, bounds[0].numpy(), atol=1e-5)
        assert found.taken == int(best) or abs(float(bounds[0, found.taken] - bounds.max())) < 1e-5
        assert np.allclose(found.chunk, torch.cat([made, running])[found.taken].numpy(), atol=1e-4)
        taken.add(found.taken)
    assert len(taken) > 2, "the candidates must differ for this test to see anything"


def test_the_running_chunk_is_left_only_for_more_than_the_margin(tensors: Tensors) -> None:
    planner = build_planner(tensors)
    rng = np.random.default_rng(1)
    condition = rng.standard_normal(SIZES.features + SIZES.goal).astype(np.float32)
    noise = rng.standard_normal((8, WIDTH)).astype(np.float32)
    nothing = np.zeros(WIDTH, np.float32), np.zeros(SIZES.chunk, np.float32)
    running = rng.uniform(-1, 1, WIDTH).astype(np.float32)
    free = plan(planner, condition, noise, *nothing, running, 1.0, -10.0)
    assert free.taken != 8, "another candidate must be worth more for this test to see anything"
    assert plan(planner, condition, noise, *nothing, running, 1.0, 10.0).taken == 8


def test_what_is_certain_beforehand_stays(tensors: Tensors) -> None:
    planner = build_planner(tensors)
    rng = np.random.default_rng(0)
    condition = rng.standard_normal(SIZES.features + SIZES.goal).astype(np.float32)
    prefix, known = np.zeros(WIDTH, np.float32), np.zeros(SIZES.chunk, np.float32)
    prefix[: 3 * SIZES.action], known[:3] = 0.25, 1.0
    noise = rng.standard_normal((2, WIDTH)).astype(np.float32)
    chunks = make_chunks(planner.student, condition, noise, prefix, known)
    assert (chunks[:, : 3 * SIZES.action] == np.float32(0.25)).all()
    assert not np.allclose(chunks[0, 3 * SIZES.action :], chunks[1, 3 * SIZES.action :])
