"""Play of a Gymnasium environment by the dreaming policy, cut into rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.dream import DreamLearner
from agent.models.dreamer import act, initial_carry


class Recorder:
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
            is_first=np.array(first), elapsed=np.zeros(n, np.float32), final_obs=np.array(ends, np.float32),
        )  # fmt: skip
        self.steps, self.ends = [], []
        return rollout


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
    """Play `steps` steps of an environment with one discrete branch; `learn` gets a rollout each `every` of them.

    Returns (step, return) of each finished episode. The first `random_steps` are uniform.
    """
    model, spec, rng = learner.world.model, learner.world.spec, np.random.default_rng(seed)
    recorder, carry = Recorder("bench", spec), initial_carry(learner.world.model, 1)
    raw, _ = env.reset(seed=seed)
    first, total, done = True, 0.0, []
    for step in range(1, steps + 1):
        obs = observe(raw)
        seen = torch.from_numpy(np.asarray(obs, np.float32)[None])
        carry, choice = act(model, learner.actor, carry, seen, torch.tensor([first]))
        pick = int(choice.picks[0, 0])
        if step <= random_steps:
            pick = int(rng.integers(spec.branches[0]))
            carry = carry._replace(action=torch.eye(spec.branches[0])[pick : pick + 1])
        raw, reward, terminated, truncated, _ = env.step(pick)
        total += float(reward)
        recorder.add(obs, (), (pick,), float(reward), terminated, truncated, first, observe(raw))
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
