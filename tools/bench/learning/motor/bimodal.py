"""E1: half of the players go one way, half the other: a chunk must be one of the two, never their mean.

A chunk of eight numbers is plus or minus a curve that depends on four features, with noise of deviation .05. A sample
is valid within .15 (root mean square) of one of the two. Held-out situations. Flow of 50 steps, the one-step student
distilled from the flow of 20, and controls: cloning by squared error, which must fail, and MeanFlow (Geng et al. 2025)
of the same size and number of updates, printed beside.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.func import jvp

from agent.learning.adam import Adam
from agent.learning.cpqe.losses import flow_loss, no_prefix, student_loss, taught
from agent.models.chunks.networks import ChunkFlow, ChunkStudent
from agent.models.sizes import CpqeSizes

DEFAULT_SEEDS: Final = 3
SIZES: Final = CpqeSizes(features=4, action=1)
STEPS: Final = 6000
BATCH: Final = 256
NEAR: Final = 0.15
HELD_OUT: Final = 4000
EULER: Final = 20


def situations(count: int, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Conditions [B, 4], the curve of each [B, 8], and a chunk of one of the two players [B, 8]."""
    condition = torch.randn(count, 4, generator=random)
    at = torch.arange(SIZES.chunk) / SIZES.chunk
    curve = 0.6 + 0.25 * torch.sin(3 * at + condition[:, :1]) * torch.cos(condition[:, 1:2])
    curve = curve + 0.1 * torch.tanh(condition[:, 2:3]) * (at - 0.5)
    side = torch.randint(0, 2, (count, 1), generator=random) * 2.0 - 1.0
    return condition, curve, side * curve + 0.05 * torch.randn(curve.shape, generator=random)


def judged(chunks: Tensor, curve: Tensor) -> dict[str, float]:
    """The share of valid chunks, and of those on the plus side among all."""
    off = torch.minimum((chunks - curve).square().mean(1).sqrt(), (chunks + curve).square().mean(1).sqrt())
    return {"valid": float((off < NEAR).float().mean()), "plus": float((chunks.mean(1) > 0).float().mean())}


def _falling(optimiser: Adam, step: int, steps: int) -> None:
    optimiser.lr = 1e-3 * min(1.0, (step + 1) / 500) * (1.0 - 0.9 * step / steps)


def train_flow(steps: int, random: torch.Generator) -> ChunkFlow:
    """The teacher."""
    flow = ChunkFlow(SIZES)
    optimiser = Adam(flow.parameters(), 1e-3, weight_decay=1e-2)
    nothing = no_prefix(BATCH, SIZES.chunk, SIZES.chunk)
    for step in range(steps):
        condition, _, chunks = situations(BATCH, random)
        _step(optimiser, flow_loss(flow, condition, chunks, nothing, random), step, steps)
    return flow


def train_student(flow: ChunkFlow, steps: int, random: torch.Generator) -> ChunkStudent:
    """The one-step student of the flow."""
    student = ChunkStudent(SIZES)
    optimiser = Adam(student.parameters(), 1e-3)
    nothing = no_prefix(BATCH, SIZES.chunk, SIZES.chunk)
    for step in range(steps):
        condition, _, chunks = situations(BATCH, random)
        noise = torch.randn(chunks.shape, generator=random)
        wanted = taught(flow, condition, noise, nothing, EULER)
        _step(optimiser, student_loss(student, condition, noise, wanted, nothing)[0], step, steps)
    return student


def train_clone(steps: int, random: torch.Generator) -> ChunkStudent:
    """The control: the chunk that was done, by squared error."""
    clone = ChunkStudent(SIZES)
    optimiser = Adam(clone.parameters(), 1e-3)
    nothing = no_prefix(BATCH, SIZES.chunk, SIZES.chunk)
    for step in range(steps):
        condition, _, chunks = situations(BATCH, random)
        noise = torch.randn(chunks.shape, generator=random)
        made = clone(condition, noise, nothing.actions, nothing.known)
        _step(optimiser, (made - chunks).square().mean(), step, steps)
    return clone


def train_mean_flow(steps: int, random: torch.Generator) -> ChunkFlow:
    """MeanFlow: the mean velocity u(x, r, t) between two times, learned from one identity; r goes in as a prefix."""
    net = ChunkFlow(SIZES)
    optimiser = Adam(net.parameters(), 1e-3)
    for step in range(steps):
        condition, _, chunks = situations(BATCH, random)
        noise = torch.randn(chunks.shape, generator=random)
        times = torch.rand(BATCH, 2, generator=random).sort(1, descending=True).values
        same = torch.rand(BATCH, generator=random) < 0.75
        t, r = times[:, :1], torch.where(same[:, None], times[:, :1], times[:, 1:])
        x, velocity = (1.0 - t) * chunks + t * noise, noise - chunks

        def mean(x: Tensor, r: Tensor, t: Tensor, condition: Tensor = condition) -> Tensor:
            return net.ends(condition, x, t, torch.zeros_like(x), r.expand(-1, SIZES.chunk))

        _, slope = jvp(mean, (x, r, t), (velocity, torch.zeros_like(r), torch.ones_like(t)))
        _step(optimiser, (mean(x, r, t) - (velocity - (t - r) * slope).detach()).square().mean(), step, steps)
    return net


def _step(optimiser: Adam, loss: Tensor, step: int, steps: int) -> None:
    _falling(optimiser, step, steps)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """All of them on one seed."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    steps = 700 if reduced else STEPS
    flow = train_flow(steps, random)
    student, clone = train_student(flow, steps, random), train_clone(steps, random)
    condition, curve, _ = situations(HELD_OUT, random)
    noise = torch.randn(curve.shape, generator=random)
    nothing = no_prefix(HELD_OUT, SIZES.chunk, SIZES.chunk)
    row: dict[str, Any] = {"seed": seed, "teacher": judged(taught(flow, condition, noise, nothing, 50), curve)}
    with torch.no_grad():
        row["student"] = judged(student(condition, noise, nothing.actions, nothing.known), curve)
        row["clone"] = judged(clone(condition, noise, nothing.actions, nothing.known), curve)
    if not reduced:
        net, one = train_mean_flow(steps, random), torch.ones(HELD_OUT, 1)
        with torch.no_grad():
            made = noise - net.ends(condition, noise, one, torch.zeros_like(noise), torch.zeros(HELD_OUT, SIZES.chunk))
        row["mean_flow"] = judged(made, curve)
    print(row, flush=True)
    return row


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every seed must pass."""
    bound = 0.5 if reduced else 0.9
    checks = {
        f"student at least {bound} valid": all(row["student"]["valid"] >= bound for row in rows),
        "control: cloning by squared error at most .10 valid": all(row["clone"]["valid"] <= 0.10 for row in rows),
        "student on both sides alike, .45 to .55": all(0.45 <= row["student"]["plus"] <= 0.55 for row in rows),
    }
    if not reduced:
        behind = max(row["teacher"]["valid"] - row["student"]["valid"] for row in rows)
        checks["student within .03 of its teacher of 50 steps"] = behind <= 0.03
    return {"rows": rows, "checks": checks, "passed": all(checks.values())}
