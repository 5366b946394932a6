"""Where the learner's world model and dreams are trained: on a CUDA card where that is faster, else on the processor.

Measured with the policy's own networks when it is opened. On a card the learner's thread has a stream of low priority,
and a training step is one CUDA graph. A card that fails at the trial is not used, and the reason is said. PPO and
active inference stay on the processor: their networks are small, and theirs is a walk from step to step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import torch

from agent.concurrency.card import LOW, Cuda
from agent.concurrency.supervise import Failure, attempt
from agent.core.errors import RequestError
from agent.core.rollout import ActionSpec, Rollout
from agent.learning.configs import Budget, PolicySpec
from agent.learning.dreamer.dream import DreamLearner
from agent.learning.dreamer.recorded import ON_CPU, Place
from agent.learning.dreamer.world_model import WorldModelLearner
from agent.learning.learner import build_dreams, has_dreams

AUTO: Final = "auto"
CARD: Final = "cuda"
TRIALS: Final = 3
Make = Callable[[Place], tuple[WorldModelLearner, DreamLearner | None]]


def card() -> Place | None:
    """The CUDA card, with its stream made this thread's own; None where torch sees none."""
    if not torch.cuda.is_available():
        return None
    device = torch.device("cuda")
    stream = torch.cuda.Stream(device, priority=LOW)  # type: ignore[no-untyped-call]
    torch.cuda.set_stream(stream)
    return Place(device, lambda: Cuda(device, stream))


def canned(features: int, spec: ActionSpec, steps: int) -> Rollout:
    """A rollout of noise, one episode, to measure with."""
    rng = np.random.default_rng(0)
    last = np.arange(steps) == steps - 1
    return Rollout(
        instance="trial", policy="trial", policy_version=0,
        obs=rng.normal(size=(steps, features)).astype(np.float32),
        actions_cont=rng.uniform(-1, 1, (steps, spec.continuous)).astype(np.float32),
        actions_disc=np.stack([rng.integers(0, n, steps) for n in spec.branches], 1).astype(np.int64)
        if spec.branches else np.zeros((steps, 0), np.int64),
        rewards=rng.normal(size=steps).astype(np.float32), terminated=last, truncated=np.zeros(steps, np.bool_),
        is_first=np.arange(steps) == 0, elapsed_s=np.full(steps, 0.1, np.float32),
        final_obs=np.zeros((1, features), np.float32),
    )  # fmt: skip


def step_seconds(make: Make, place: Place, now_s: Callable[[], float]) -> float:
    """Seconds of one step of model and dreams, the quickest of some after the first, which compiles and records."""
    rng = torch.get_rng_state()
    world, dream = make(place)
    world.push(canned(world.sizes.obs, world.spec, 4 * world.config.length))
    taken = []
    for _ in range(1 + TRIALS):
        start_s = now_s()
        losses = world.train_step()
        if dream is not None:
            losses |= dream.train_step(world.posteriors.popleft())
        broken = [name for name, value in losses.items() if not bool(torch.isfinite(value))]
        if broken:
            raise ArithmeticError(f"{broken[0]} is not finite")
        taken.append(now_s() - start_s)
    torch.set_rng_state(rng)
    return min(taken[1:])


def choose(
    wanted: str, make: Make, now_s: Callable[[], float], find: Callable[[], Place | None] = card
) -> tuple[Place, str]:
    """The place, and why, for `/status`; `wanted`: auto, cpu, cuda. Raises RequestError where cuda cannot be had."""
    if wanted not in (AUTO, CARD):
        return ON_CPU, "cpu: as asked for"
    place = find()
    if place is None:
        if wanted == CARD:
            raise RequestError(503, "METABONK_LEARNER_DEVICE=cuda: torch sees no CUDA card")
        return ON_CPU, "cpu: torch sees no CUDA card"
    there = attempt(partial(step_seconds, make, place, now_s))
    if isinstance(there, Failure):
        if wanted == CARD:
            raise RequestError(503, f"METABONK_LEARNER_DEVICE=cuda: the card failed at its trial: {there.reason}")
        print(f"learner: the card failed at its trial: {there.reason}", file=sys.stderr, flush=True)
        return ON_CPU, f"cpu: the card failed at its trial: {there.reason}"
    if wanted == CARD:
        return place, f"{place.device}: as asked for; {1e3 * there:.1f} ms a step"
    here = step_seconds(make, ON_CPU, now_s)
    measured = f"{1e3 * there:.1f} ms a step on the card, {1e3 * here:.1f} ms on the processor"
    return (place, f"{place.device}: {measured}") if there < here else (ON_CPU, f"cpu: {measured}")


def place_for(policy_spec: PolicySpec, budget: Budget, now_s: Callable[[], float]) -> tuple[Place, str]:
    """`choose` for a policy's own networks."""
    if not has_dreams(policy_spec, budget):
        return ON_CPU, "cpu: no world model learns"
    return choose(budget.device, partial(build_dreams, policy_spec, budget), now_s)
