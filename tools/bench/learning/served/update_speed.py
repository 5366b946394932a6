"""Speed of one update of each learner beside plain PyTorch of the same sizes, and what each choice costs a process.

Four updates: PPO on a rollout of 256 decisions, the learner for play on 16 windows of play, the world model on 16
stretches of 32, and a dream of 15 steps from 256 states. Plain PyTorch (`_plain.py`) is the control: layers of `nn`,
`torch.distributions`, `torch.optim`, loops over time, on the same rollouts of the shipped pilot. Ours and the plain one
take turns in one process, one thread; the figure is the median of plain / ours in processor time with its 95 % interval
(bootstrap over turns). Ours draw their batches from a replay; the plain ones get theirs for nothing.

Then a process with nothing but the learners, for each METABONK_SERVED_POLICY: its memory after 32 rollouts, and its
processor time for a thousand decisions. A run fails where an update of ours takes more than 1.1 times that of the plain
one.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

import msgspec
import numpy as np
import psutil
import torch

from agent.control.dreamer import FEATURES as DREAMER_FEATURES
from agent.control.dreamer import SPEC as DREAMER_SPEC
from agent.control.dreamer import DreamPilot
from agent.control.dreamer import untrained_tensors as untrained_dreamer
from agent.control.motor import Motor, pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.untrained import default_sizes
from agent.core.rollout import Rollout
from agent.core.settings import load_settings
from agent.core.statistics import bootstrap
from agent.games.arena.game import ArenaGame
from agent.learning.configs import DREAMER, PILOT, PILOT_PPO, Budget, OffPolicyConfig, PolicySpec, learner_budget
from agent.learning.dreamer.world_model import Posterior, to_sequences
from agent.learning.learner import PolicyLearner
from agent.training.dream import TrainingGame
from tools.bench.learning.served._pilot import OWN, spec_of_pilot
from tools.bench.learning.served._plain import PlainDreamer, PlainOffPolicy, PlainPPO

DEFAULT_SEEDS: Final = 3
TURNS, REDUCED_TURNS, WARM = 60, 3, 3
ROLLOUTS, REDUCED_ROLLOUTS = 32, 2
GAMES: Final = 8
MAX_RATIO: Final = 1.1
DREAMS: Final = "ppo, dreams beside it"
CHOICES: Final = {
    "ppo": {},
    DREAMS: {"METABONK_USE_DREAM_TRAINING": "1"},
    "ppo+dream": {"METABONK_SERVED_POLICY": "ppo+dream"},
    "dreamer": {"METABONK_SERVED_POLICY": "dreamer"},
    "off-policy": {"METABONK_SERVED_POLICY": "off-policy"},
}
"""What may act and learn, by its settings."""


def rollouts_of(policy: Any, count: int, steps: int, *, off_policy: bool = False) -> list[Rollout]:
    """Rollouts of a policy that plays arenas in lock-step."""
    found: list[Rollout] = []
    names = tuple(f"arena {k}" for k in range(GAMES))
    more = {"off_policy": True} if off_policy else {}
    policy.learn(names, found.append, steps=steps, **more)
    seats = [TrainingGame(k, ArenaGame(), 60_000_000 + 1000 * k, pictures=False) for k in range(GAMES)]
    carry = policy.initial(GAMES)
    while len(found) < count:
        seen = [seat.observe() for seat in seats]
        carry, actions = policy.step(carry, [observation for observation, _ in seen])
        for seat, (observation, _), action in zip(seats, seen, actions, strict=True):
            seat.act(observation, action)
    return found[:count]


def in_turns(ours: Callable[[], Any], plain: Callable[[], Any], turns: int) -> dict[str, float]:
    """Processor time of each, ms, and plain / ours with its interval."""
    took: list[tuple[float, float]] = []
    for k in range(WARM + turns):
        each = []
        for update in (ours, plain) if k % 2 else (plain, ours):
            begun_s = time.process_time()
            update()
            each.append(time.process_time() - begun_s)
        took.append((each[0], each[1]) if k % 2 else (each[1], each[0]))
    times = np.array(took[WARM:]) * 1e3
    value, low, high = bootstrap(times, lambda drawn: np.median(drawn[:, :, 1] / drawn[:, :, 0], axis=1))
    return {
        "ours_ms": round(float(np.median(times[:, 0])), 2), "plain_ms": round(float(np.median(times[:, 1])), 2),
        "plain_over_ours": round(value, 3), "low": round(low, 3), "high": round(high, 3),
    }  # fmt: skip


def speeds(rollouts: list[Rollout], turns: int) -> dict[str, dict[str, float]]:
    """Every update beside its plain one."""
    sizes = default_sizes()
    every_epoch = msgspec.structs.replace(PILOT_PPO, target_kl=0.0)  # the same rollout is learned from again and again
    budget = learner_budget(load_settings(None, CHOICES[DREAMS] | OWN))
    dreaming = PolicyLearner(spec_of_pilot(), msgspec.structs.replace(budget, pilot=every_epoch))
    assert dreaming.ppo is not None and dreaming.dream is not None
    ppo, dream, world = dreaming.ppo, dreaming.dream, dreaming.dream.world
    dreaming.take_weights(pilot_tensors(SHIPPED))
    for rollout in rollouts:
        world.push(rollout)
    data = ppo.sequences(rollouts[0])
    plain_ppo = PlainPPO(sizes, every_epoch)
    plain = PlainDreamer(world.sizes, dream.config, world.config.lr)
    batch = world.replay.sample(world.config.batch, world.config.length)
    assert batch is not None
    sequences = to_sequences(world.model, batch, world.device)
    world.train_step()
    states: list[Posterior] = [world.posteriors[-1]]
    deters, stochs = plain.model_step(sequences)
    config = OffPolicyConfig(min_explained=-1e9, min_decisions=0)
    off = PolicyLearner(spec_of_pilot(), Budget(served="off-policy", use_active_inference=False, off_policy=config))
    assert off.off_policy is not None
    learner = off.off_policy
    off.take_weights(pilot_tensors(SHIPPED))
    for rollout in rollouts:
        learner.replay.add(learner.windows(rollout))
    windows = learner.replay.sample(config.windows, np.random.default_rng(0))
    plain_off = PlainOffPolicy(sizes, config, learner.inputs.columns)
    return {
        "ppo, 256 decisions": in_turns(lambda: ppo.ppo.update(data), lambda: plain_ppo.update(data), turns),
        "learner for play, 16 windows of 8": in_turns(learner.step, lambda: plain_off.step(windows), turns),
        "world model, 16 stretches of 32": in_turns(world.train_step, lambda: plain.model_step(sequences), turns),
        "dream, 15 steps from 256 states": in_turns(
            lambda: dream.train_step(states[0]), lambda: plain.dream_step(deters, stochs, dream.config.starts), turns
        ),
    }  # fmt: skip


def process_cost(environ: dict[str, str], spec: PolicySpec, rollouts: list[Rollout]) -> dict[str, float]:
    """Memory and processor time of this process, which holds the policy's learners and nothing else."""
    torch.set_num_threads(1)
    learner = PolicyLearner(spec, learner_budget(load_settings(None, environ | OWN)))
    if spec.kind == PILOT:
        learner.take_weights(pilot_tensors(SHIPPED))
    begun_s = 0.0
    for k, rollout in enumerate(rollouts):
        if k == 1:  # the first one imports and allocates
            begun_s = time.process_time()
        for part in learner.parts:
            part.update(rollout)
    cpu_s, decisions = time.process_time() - begun_s, sum(len(rollout) for rollout in rollouts[1:])
    memory = psutil.Process().memory_info().rss / 2**20
    return {"rss_mb": round(memory, 1), "cpu_s_per_1000_decisions": round(1000 * cpu_s / decisions, 3)}


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """Time every update, then every choice's process."""
    torch.manual_seed(0)
    turns, count = (REDUCED_TURNS, REDUCED_ROLLOUTS) if reduced else (TURNS, ROLLOUTS)
    tensors = pilot_tensors(SHIPPED)
    rollouts = rollouts_of(Motor(tensors, seed=seeds[0]), max(count, GAMES), 256)
    found = speeds(rollouts, turns)
    for name, each in found.items():
        print(name, each, flush=True)
    dreamt = rollouts_of(DreamPilot(untrained_dreamer(0), seed=seeds[0]), count, 128)
    dreamer = PolicySpec(
        name="dreamer", kind=DREAMER, features=DREAMER_FEATURES, continuous=DREAMER_SPEC.continuous,
        branches=DREAMER_SPEC.branches, sizes=default_sizes(),
    )  # fmt: skip
    costs = {}
    for name, environ in CHOICES.items():
        spec, played = (dreamer, dreamt) if name == "dreamer" else (spec_of_pilot(), rollouts[:count])
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            costs[name] = pool.submit(process_cost, environ, spec, played).result()
        print(name, costs[name], flush=True)
    slower = {name: each["plain_over_ours"] * MAX_RATIO >= 1.0 for name, each in found.items()}
    checks = {f"{name}: at most {MAX_RATIO} times the plain one": fine for name, fine in slower.items()}
    return {
        "turns": turns, "rollouts": count, "updates": found, "processes": costs, "checks": {} if reduced else checks,
        "passed": reduced or all(checks.values()),
    }  # fmt: skip
