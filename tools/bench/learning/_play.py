"""Play of a Gymnasium environment by the dreaming policy, cut into rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, FrameStackObservation, TransformObservation

from agent.core.rollout import ActionSpec, Rollout
from agent.games.action_space import ActionSpace
from agent.games.env_view import EnvView
from agent.learning.dreamer.dream import DreamLearner
from agent.models.dreamer import Choice, act, initial_carry
from agent.training.collect import Deed, Seen, collect, rollouts
from agent.training.gym import RowEnv, VectorGames


def games_of(
    envs: Sequence[Any], observe: Callable[[Any], Any], seeds: Sequence[int], frames: int = 1
) -> tuple[VectorGames, int]:
    """Environments in lock-step, seen through `observe` with the last `frames` side by side; and how many features."""
    features = len(observe(envs[0].reset(seed=seeds[0])[0]))

    def row(raw: Any) -> Any:
        return np.asarray(observe(raw), np.float32)

    box = spaces.Box(-np.inf, np.inf, (features,), np.float32)
    view = EnvView(box)
    rows: list[Any] = [RowEnv(TransformObservation(env, row, box), view, ActionSpace(env.action_space)) for env in envs]
    if frames > 1:
        rows = [FlattenObservation(FrameStackObservation(env, frames)) for env in rows]
    return VectorGames(rows, seeds), frames * features


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
    games, _ = games_of([env], observe, [seed])
    actor = DreamActor(learner, random_steps, np.random.default_rng(seed))
    for step in range(every, steps + 1, every):
        learn(rollouts(collect(games, actor, every), ["bench"], "dreamer", 0)[0])
        if step % 1000 == 0:
            recent = [e.episode_return for e in games.ended[-10:]]
            print(f"{step} steps: {np.mean(recent) if recent else 0.0:.1f} over the last {len(recent)}", flush=True)
    return [tuple(episode) for episode in games.ended]


class DreamActor:
    """The dreaming policy of one game for `collect`; its first steps are uniform."""

    def __init__(self, learner: DreamLearner, random_steps: int, rng: np.random.Generator) -> None:
        self.learner, self.random_steps, self.rng = learner, random_steps, rng
        self.carry = initial_carry(learner.world.model, 1)

    def __call__(self, seen: Seen) -> Deed:
        """Act once, and remember what was really done."""
        spec, learner = self.learner.world.spec, self.learner
        obs, first = torch.from_numpy(seen.obs), torch.from_numpy(seen.is_first)
        self.carry, choice = act(learner.world.model, learner.actor, self.carry, obs, first)
        if self.random_steps > 0:
            choice = uniform(spec, self.rng)
            self.carry = self.carry._replace(action=choice.written_out(spec))
            self.random_steps -= 1
        return Deed(torch.tanh(choice.u).numpy(), choice.picks.numpy())


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
