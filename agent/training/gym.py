"""Training on any Gymnasium environment: some copies stepped together in this process, and PPO.

What is observed is told by `games.env_view`: pictures at their own size up to 64 pixels, and numbers beside them or
alone. Where there is no picture, rewards are divided by the running deviation of returns; games that are pictures
count points, and are learned from as they count. Owns the copies and the learner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import gymnasium
import msgspec
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from agent.core.clock import TICK_S
from agent.core.errors import SettingsError, WeightsError
from agent.core.rollout import ActionSpec, IntArray, Rollout
from agent.core.types import FloatArray
from agent.games.action_space import ActionSpace
from agent.games.env_view import EnvView
from agent.games.gymnasium_host import open_env, shown_of
from agent.games.gymnasium_profile import load_profile
from agent.learning.configs import STRETCH, VECTOR_CONFIG, PPOConfig, describe_ppo, picture_config
from agent.learning.ppo.learner import PPOLearner
from agent.link.env_wire import too_large
from agent.models.policies import FlatPolicy, FramePolicy, TrainablePolicy
from agent.models.sizes import FLAT_KIND, FRAME_KIND, FlatSizes, FrameSizes
from agent.training.collect import Happened, PolicyActor, Seen, check_learnable, collect, rollouts

_RECENT: Final = 100


def build_policy(view: EnvView, spec: ActionSpec) -> tuple[TrainablePolicy, PPOConfig]:
    """A convolutional policy for pictures and numbers beside them, or two towers for numbers alone; and its config."""
    if not view.features:
        raise SettingsError(f"nothing can be observed of {view.space}: {view.describe()}")
    if view.shape:
        height, width, channels = view.shape
        sizes = FrameSizes(
            height, width, spec.branches, channels=channels, numbers=view.numbers, continuous=spec.continuous
        )
        return FramePolicy(sizes), picture_config(sizes)
    return FlatPolicy(FlatSizes(view.features, spec.continuous, spec.branches)), VECTOR_CONFIG


class RowEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment of rows: observations f32 [features] as `view` sees them, actions [axes, then choices].

    frame_skip: steps for each action, up to an episode's end; their rewards are added.
    """

    def __init__(self, env: Any, view: EnvView, actions: ActionSpace, frame_skip: int = 1) -> None:
        super().__init__(env)
        self._frame_skip = frame_skip
        self._view, self._actions = view, actions
        self.metadata = env.metadata or {}
        self.observation_space = spaces.Box(-np.inf, np.inf, (view.features,), np.float32)
        width = actions.spec.continuous + len(actions.spec.branches)
        self.action_space = spaces.Box(-np.inf, np.inf, (width,), np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first row of an episode, without its info: copies' infos need not fit together."""
        observation, _ = self.env.reset(seed=seed, options=options)
        return self._view.row(observation), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One action, without its info."""
        chosen = self._actions.action(*np.split(action, [self._actions.spec.continuous]))
        observation, reward, terminated, truncated, _ = self.env.step(chosen)
        for _ in range(self._frame_skip - 1):
            if terminated or truncated:
                break
            observation, more, terminated, truncated, _ = self.env.step(chosen)
            reward = float(reward) + float(more)
        return self._view.row(observation), reward, terminated, truncated, {}


def _given(env: Any) -> Any:
    return env


class EndedEpisode(NamedTuple):
    """An episode's return, and the steps of all copies when it ended."""

    steps: int
    episode_return: float


class VectorGames:
    """Copies of an environment behind `collect.Games`, stepped by Gymnasium; `ended` grows by every episode's end."""

    def __init__(self, envs: Sequence[gymnasium.Env[Any, Any]], seeds: Sequence[int]) -> None:
        # SAME_STEP alone gives what was seen last of an ended episode and the first of the next in one step.
        makers = [partial(_given, env) for env in envs]
        self._envs = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
        self.count = len(envs)
        self.steps = 0
        self.ended: list[EndedEpisode] = []
        self._returns = np.zeros(self.count)
        self._first = np.ones(self.count, np.bool_)
        self._rows = self._envs.reset(seed=list(seeds))[0].copy()

    def seen(self) -> Seen:
        """What the next actions answer."""
        elapsed_s = np.where(self._first, np.float32(0.0), np.float32(TICK_S))
        return Seen(self._rows, self._first, elapsed_s)

    def step(self, axes: FloatArray, choices: IntArray) -> Happened:
        """One step of every copy."""
        actions = np.concatenate([axes, choices], 1, dtype=np.float64)
        rows, rewards, terminated, truncated, info = self._envs.step(actions)
        self._rows = rows.copy()
        self.steps += self.count
        self._returns += rewards
        self._first = terminated | truncated
        final: dict[int, FloatArray] = {}
        if "final_obs" in info:
            final = {int(i): info["final_obs"][i] for i in np.flatnonzero(self._first)}
            self.ended += [EndedEpisode(self.steps, float(self._returns[i])) for i in final]
            self._returns[self._first] = 0.0
        return Happened(rewards, terminated, truncated & ~terminated, final)


class GymTraining:
    """A policy on `copies` of one environment; `steps` counts decisions of all copies.

    A resumed training begins new episodes: an environment's inside is not ours to save.
    """

    def __init__(self, game: str, *, seed: int, total_steps: int, copies: int = 8, profile: Path | None = None) -> None:
        torch.manual_seed(seed)
        self.game = game
        envs = [open_env(game) for _ in range(copies)]
        actions = ActionSpace(envs[0].action_space)
        actions.check_bounds()
        own = load_profile(game.removeprefix("gym:"), profile, actions)
        self.view = EnvView(envs[0].observation_space, own.picture)
        self._frame_skip = own.frame_skip
        self.policy, config = build_policy(self.view, actions.spec)
        rows = [RowEnv(env, self.view, ActionSpace(env.action_space), own.frame_skip) for env in envs]
        self._games = VectorGames(rows, [seed * 1000 + i for i in range(copies)])
        updates = max(1, total_steps // (copies * STRETCH))
        config = msgspec.structs.replace(config, anneal_updates=updates)
        shown = shown_of(self.view, actions, own)
        self.about = [
            f"{game} shows {self.view.describe()}",
            f"the policy observes and does {shown.describe()}, and learns by {describe_ppo(config)}",
        ]
        excess = too_large(shown)
        if excess:
            self.about.append(f"{game}: neither play nor evaluate will take these weights: {excess}")
        self.learner = PPOLearner(self.policy, config, seed=seed, scale_rewards=not self.view.shape)
        self.steps = self.episodes = 0
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self._actor = PolicyActor(self.policy, copies)

    def advance(self) -> dict[str, float]:
        """Play one stretch of every copy and learn from it; figures by name."""
        metrics = self.learner.update_many(self._play())
        self.steps += self._games.count * STRETCH
        metrics["episodes"] = float(self.episodes)
        if self.recent:
            metrics["episode_return"] = float(np.mean(self.recent))
        return metrics

    def _play(self) -> list[Rollout]:
        play = collect(self._games, self._actor, STRETCH)
        self.episodes += len(self._games.ended)
        self.recent.extend(episode.episode_return for episode in self._games.ended)
        self._games.ended.clear()
        instances = [f"{self.game} {i}" for i in range(self._games.count)]
        made = rollouts(play, instances, "ppo", self.learner.version)
        for rollout in made:
            check_learnable(self.game, rollout, self.policy.features, self.policy.spec)
        return made

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs but the environments."""
        return {
            **self.learner.tensors(), "random": torch.get_rng_state(),
            "counters": torch.tensor([self.steps, self.episodes]),
            "recent": torch.tensor(list(self.recent), dtype=torch.float64),
        }  # fmt: skip

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        self.learner.load_tensors(tensors)
        missing = [name for name in ("random", "counters", "recent") if name not in tensors]
        if missing:
            raise WeightsError(f"not a checkpoint of a training: {', '.join(missing)} missing")
        torch.set_rng_state(tensors["random"])
        self.steps, self.episodes = tensors["counters"].tolist()
        self.recent.extend(tensors["recent"].tolist())

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        sizes = msgspec.to_builtins(self.policy.sizes) if isinstance(self.policy, FlatPolicy | FramePolicy) else {}
        skipped = {"frame_skip": self._frame_skip} if self._frame_skip > 1 else {}
        return {
            "tensors": {name: t.numpy() for name, t in self.policy.state_dict().items()},
            "kind": FRAME_KIND if self.view.shape else FLAT_KIND,
            "layout": {"game": self.game, "features": self.view.features} | skipped,
            "sizes": sizes,
            "notes": {"steps": self.steps},
        }
