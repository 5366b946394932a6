"""Play of a Gymnasium environment by the dreaming policy, cut into rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.dreamer.dream import DreamLearner
from agent.models.dreamer import Choice, act, initial_carry


class StepRecorder:
    """Steps of one game, made into a Rollout when asked."""

    def __init__(self, instance: str, spec: ActionSpec) -> None:
        self.instance, self.spec = instance, spec
        self.steps: list[tuple[Any, ...]] = []
        self.ends: list[Any] = []

    def add(
        self, obs: Any, cont: Any, disc: Any, reward: float, terminated: bool, truncated: bool, first: bool, after: Any
    ) -> None:
        """One step: what was seen, done, and what followed."""
        self.steps.append((obs, cont, disc, reward, terminated, truncated, first))
        self.last = after
        if terminated or truncated:
            self.ends.append(after)

    def take(self) -> Rollout:
        """All steps since the last call."""
        obs, cont, disc, rewards, terminated, truncated, first = zip(*self.steps, strict=True)
        ended = terminated[-1] or truncated[-1]
        ends = self.ends if ended else [*self.ends, self.last]
        n = len(obs)
        rollout = Rollout(
            instance=self.instance, policy="dreamer", policy_version=0, obs=np.array(obs, np.float32),
            actions_cont=np.array(cont, np.float32).reshape(n, self.spec.continuous),
            actions_disc=np.array(disc, np.int64).reshape(n, len(self.spec.branches)),
            rewards=np.array(rewards, np.float32), terminated=np.array(terminated), truncated=np.array(truncated),
            is_first=np.array(first), elapsed_s=np.zeros(n, np.float32), final_obs=np.array(ends, np.float32),
        )  # fmt: skip
        self.steps, self.ends = [], []
        return rollout


def spec_of(env: Any) -> ActionSpec:
    """One branch for a Discrete space; axes in −1 … 1 for a Box, which must have these bounds."""
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return ActionSpec(0, (int(space.n),))
    assert isinstance(space, gymnasium.spaces.Box) and (space.low == -1).all() and (space.high == 1).all()
    return ActionSpec(int(np.prod(space.shape)), ())


def uniform(spec: ActionSpec, rng: np.random.Generator) -> Choice:
    """A random action, evenly over axes and branches."""
    u = np.arctanh(rng.uniform(-0.999, 0.999, (1, spec.continuous))).astype(np.float32)
    picks = np.array([[rng.integers(n) for n in spec.branches]], np.int64).reshape(1, len(spec.branches))
    return Choice(torch.from_numpy(u), torch.from_numpy(picks))


def play(
    env: Any,
    observe: Callable[[Any], Any],
    learner: DreamLearner,
    steps: int,
    every: int,
    seed: int,
    *,
    random_steps: int,
    learn: Callable[[Rollout], None],
) -> list[tuple[int, float]]:
    """Play `steps` steps of an environment with one branch, or with axes; `learn` gets a rollout each `every` of them.

    Returns (step, return) of each finished episode. The first `random_steps` are uniform.
    """
    model, spec, rng = learner.world.model, learner.world.spec, np.random.default_rng(seed)
    recorder, carry = StepRecorder("bench", spec), initial_carry(learner.world.model, 1)
    raw, _ = env.reset(seed=seed)
    first, total, done = True, 0.0, []
    for step in range(1, steps + 1):
        obs = observe(raw)
        seen = torch.from_numpy(np.asarray(obs, np.float32)[None])
        carry, choice = act(model, learner.actor, carry, seen, torch.tensor([first]))
        if step <= random_steps:
            choice = uniform(spec, rng)
            carry = carry._replace(action=choice.written_out(spec))
        axes, picks = torch.tanh(choice.u[0]).numpy(), tuple(choice.picks[0].tolist())
        raw, reward, terminated, truncated, _ = env.step(picks[0] if picks else axes)
        total += float(reward)
        recorder.add(obs, axes, picks, float(reward), terminated, truncated, first, observe(raw))
        first = terminated or truncated
        if first:
            done.append((step, total))
            total = 0.0
            raw, _ = env.reset()
        if step % every == 0:
            learn(recorder.take())
        if step % 1000 == 0:
            recent = [r for _, r in done[-10:]]
            print(f"{step} steps: {np.mean(recent) if recent else 0.0:.1f} over the last {len(recent)}", flush=True)
    return done


class ServedDreamer:
    """What the dreaming policy does, by sampling, on its recurrent posterior."""

    def __init__(self, learner: DreamLearner) -> None:
        self.learner = learner

    def begin(self) -> None:
        """Forget."""
        self._carry = initial_carry(self.learner.world.model, 1)

    def act(self, seen: Any, first: bool) -> tuple[Any, tuple[int, ...]]:
        """Axes and picks for one observation."""
        obs = torch.from_numpy(np.asarray(seen, np.float32)[None])
        self._carry, choice = act(self.learner.world.model, self.learner.actor, self._carry, obs, torch.tensor([first]))
        return torch.tanh(choice.u[0]).numpy(), tuple(choice.picks[0].tolist())


def returns_of(served: Any, env: Any, observe: Callable[[Any], Any], episodes: int, seed: int) -> list[float]:
    """Returns of a policy that learns no more: `begin` and `act` as in `ServedDreamer`."""
    found = []
    for episode in range(episodes):
        raw, _ = env.reset(seed=seed if episode == 0 else None)
        served.begin()
        total, first, over = 0.0, True, False
        while not over:
            axes, picks = served.act(observe(raw), first)
            raw, reward, terminated, truncated, _ = env.step(picks[0] if picks else axes)
            total, first, over = total + float(reward), False, terminated or truncated
        found.append(total)
    return found
