"""Training on any Gymnasium environment: some copies stepped together in this process, and PPO.

What an environment shows first as a picture is learned from as the RGB picture that the link carries, at its own
size up to 64 pixels; everything else as a row of numbers, whose rewards are divided by the running deviation of
returns. Games that are pictures count points, and are learned from as they count. Owns the copies and the learner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import cv2
import gymnasium
import msgspec
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

from agent.core.clock import TICK_S
from agent.core.errors import SettingsError, WeightsError
from agent.core.rollout import ActionSpec, IntArray, Rollout
from agent.core.types import FloatArray
from agent.games.gymnasium_host import first_image, open_env, to_rgb
from agent.learning.configs import PPOConfig
from agent.learning.ppo.learner import PPOLearner
from agent.models.policies import SMALL_PX, FlatPolicy, FramePolicy, TrainablePolicy
from agent.models.sizes import FlatSizes, FrameSizes
from agent.training.collect import Happened, PolicyActor, Seen, collect, rollouts

STRETCH: Final = 128
MAX_PX: Final = 64
_RECENT: Final = 100
VECTOR_CONFIG: Final = PPOConfig(length=STRETCH)
PICTURE_CONFIG: Final = PPOConfig(length=STRETCH, clip=0.1)
SMALL_PICTURE_CONFIG: Final = PPOConfig(lr=3e-3, warm_updates=10, length=STRETCH, larger_value=False, value_weight=1.0)


class Eyes:
    """How an environment's observations become rows: pictures of `shape`, or flattened numbers (`shape` is empty)."""

    def __init__(self, space: Any, example: Any) -> None:
        self._space = space
        self.shape: tuple[int, ...] = ()
        image = first_image(example)
        if image is not None:
            moved = image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[2] not in (1, 3, 4)
            height, width = image.shape[1:] if moved else image.shape[:2]
            self.shape = (min(height, MAX_PX), min(width, MAX_PX), 3)
        self.features = int(np.prod(self.shape)) if self.shape else flatdim(space)

    def row(self, observation: Any) -> FloatArray:
        """One observation, f32 [features]."""
        if not self.shape:
            return np.asarray(flatten(self._space, observation), np.float32)
        height, width, _ = self.shape
        picture = cv2.resize(to_rgb(first_image(observation)), (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(picture, np.float32).reshape(-1)


class ActionDecoder:
    """How rows of actions become an environment's actions; raises SettingsError for a space without a table."""

    def __init__(self, space: Any) -> None:
        self._space = space
        if isinstance(space, spaces.Discrete):
            self.spec = ActionSpec(0, (int(space.n),))
        elif isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
            self.spec = ActionSpec(0, tuple(int(n) for n in space.nvec))
        elif isinstance(space, spaces.MultiBinary) and isinstance(space.n, int):
            self.spec = ActionSpec(0, (2,) * space.n)
        elif isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
            self.spec = ActionSpec(space.shape[0], ())
        else:
            raise SettingsError(
                f"actions of {space}: Discrete, MultiDiscrete, MultiBinary or a bounded flat Box is needed"
            )

    def actions(self, axes: FloatArray, choices: IntArray) -> Any:
        """The environments' actions of rows, axes [N, C] and choices [N, B]; of Discrete, Python's own numbers."""
        space = self._space
        if isinstance(space, spaces.Discrete):
            return (choices[:, 0] + space.start).tolist()
        if isinstance(space, spaces.Box):
            return (space.low + (axes + 1.0) * 0.5 * (space.high - space.low)).astype(space.dtype)
        return choices.astype(space.dtype)


def build_policy(eyes: Eyes, spec: ActionSpec) -> tuple[TrainablePolicy, PPOConfig]:
    """A convolutional policy for pictures, two towers for numbers, with their hyper-parameters."""
    if eyes.shape:
        if spec.continuous:
            raise SettingsError("pictures with continuous actions: there is no policy for both")
        config = SMALL_PICTURE_CONFIG if min(eyes.shape[:2]) < SMALL_PX else PICTURE_CONFIG
        return FramePolicy(FrameSizes(eyes.shape[0], eyes.shape[1], spec.branches)), config
    return FlatPolicy(FlatSizes(eyes.features, spec.continuous, spec.branches)), VECTOR_CONFIG


class RowEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose observations are the rows f32 [features] that `row` makes of them."""

    def __init__(self, env: Any, row: Callable[[Any], FloatArray], features: int) -> None:
        super().__init__(env)
        self._row = row
        self.metadata = env.metadata or {}
        self.observation_space = spaces.Box(-np.inf, np.inf, (features,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first row of an episode, without its info: copies' infos need not fit together."""
        observation, _ = self.env.reset(seed=seed, options=options)
        return self._row(observation), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step, without its info."""
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return self._row(observation), reward, terminated, truncated, {}


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
        self.decoder = ActionDecoder(self._envs.single_action_space)
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
        actions = self.decoder.actions(axes, choices)
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
    """A policy on `copies` of one environment; `steps` counts steps of all copies.

    A resumed training begins new episodes: an environment's inside is not ours to save.
    """

    def __init__(self, game: str, *, seed: int, total_steps: int, copies: int = 8) -> None:
        torch.manual_seed(seed)
        self.game = game
        envs = [open_env(game) for _ in range(copies)]
        example, _ = envs[0].reset(seed=seed * 1000)
        self._eyes = Eyes(envs[0].observation_space, example)
        rows = [RowEnv(env, self._eyes.row, self._eyes.features) for env in envs]
        self._games = VectorGames(rows, [seed * 1000 + i for i in range(copies)])
        self.policy, config = build_policy(self._eyes, self._games.decoder.spec)
        updates = max(1, total_steps // (copies * STRETCH))
        config = msgspec.structs.replace(config, anneal_updates=updates)
        self.learner = PPOLearner(self.policy, config, seed=seed, scale_rewards=not self._eyes.shape)
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
        return rollouts(play, instances, "ppo", self.learner.version)

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
        return {
            "tensors": {name: t.numpy() for name, t in self.policy.state_dict().items()},
            "kind": "frame-policy" if self._eyes.shape else "flat-policy",
            "layout": {"game": self.game, "features": self._eyes.features},
            "sizes": sizes,
            "notes": {"steps": self.steps},
        }
