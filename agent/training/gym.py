"""Training on any Gymnasium environment: some copies stepped together in this process, and PPO.

What is observed is told by `games.env_view`, and how it is learned from by a preset. Rewards are divided by the running
size of returns, so that a game may pay 1 or 100 a step. Owns the copies and the learner.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import gymnasium
import msgspec
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from agent.core.clock import TICK_S
from agent.core.errors import SettingsError, WeightsError
from agent.core.rollout import ActionSpec, IntArray, Rollout
from agent.core.types import FloatArray
from agent.games.action_space import ActionSpace
from agent.games.env_view import EnvView
from agent.games.gymnasium_host import open_env, shown_of
from agent.games.gymnasium_profile import load_profile
from agent.games.options import says_its_pace
from agent.learning.configs import describe_ppo
from agent.learning.ppo.compiled import COMPILED
from agent.learning.ppo.learner import PPOLearner
from agent.link.env_wire import too_large
from agent.models.frame_stack import FrameStack
from agent.models.policies import FlatPolicy, FramePolicy, TrainablePolicy
from agent.models.sizes import FLAT_KIND, FRAME_KIND, FlatSizes, FrameSizes
from agent.training.collect import Happened, PolicyActor, Seen, check_learnable, collect, rollouts
from agent.training.held_out import held_out_returns
from agent.training.options import EnvironmentOptions
from agent.training.presets.preset import (
    Kept,
    Preset,
    check_memory_of_rows,
    chosen,
    flat_body,
    frame_body,
    going_on,
)

DEFAULT_OPTIONS: Final = EnvironmentOptions()
_RECENT: Final = 100


def build_policy(view: EnvView, spec: ActionSpec, preset: Preset) -> TrainablePolicy:
    """A convolutional policy for pictures and numbers beside them, or layers for numbers alone."""
    if not view.features:
        raise SettingsError(f"nothing can be observed of {view.space}: {view.describe()}")
    frames = preset.frame_stack
    check_memory_of_rows(preset, view.features * frames)
    if view.shape:
        height, width, channels = view.shape
        return FramePolicy(FrameSizes(
            height, width, spec.branches, channels=channels * frames, numbers=view.numbers * frames,
            continuous=spec.continuous, hidden=preset.width, body=frame_body(preset.network, height, width),
            frames=frames, units=preset.memory,
        ))  # fmt: skip
    return FlatPolicy(FlatSizes(
        view.features * frames, spec.continuous, spec.branches, hidden=preset.width, units=preset.memory,
        body=flat_body(preset.network), frames=frames,
    ))  # fmt: skip


class RowEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment of rows: observations f32 [features] as `view` sees them, actions [axes, then choices].

    frame_skip: steps for each action, up to an episode's end; their rewards are added. frame_stack: the last
    observations that are a row together.
    """

    def __init__(
        self, env: Any, view: EnvView, actions: ActionSpace, frame_skip: int = 1, frame_stack: int = 1
    ) -> None:
        super().__init__(env)
        self._frame_skip, self._stack = frame_skip, FrameStack(frame_stack)
        self._view, self._actions = view, actions
        self.metadata = env.metadata or {}
        self.observation_space = spaces.Box(-np.inf, np.inf, (view.features * frame_stack,), np.float32)
        width = actions.spec.continuous + len(actions.spec.branches)
        self.action_space = spaces.Box(-np.inf, np.inf, (width,), np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first row of an episode, without its info: copies' infos need not fit together."""
        observation, _ = self.env.reset(seed=seed, options=options)
        return self._stack.push(self._view.see(observation), is_first=True), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One action, without its info."""
        axes = self._actions.spec.continuous
        chosen = self._actions.action(action[:axes], action[axes:])
        observation, reward, terminated, truncated, _ = self.env.step(chosen)
        for _ in range(self._frame_skip - 1):
            if terminated or truncated:
                break
            observation, more, terminated, truncated, _ = self.env.step(chosen)
            reward = float(reward) + float(more)
        row = self._stack.push(self._view.see(observation), is_first=False)
        return row, reward, terminated, truncated, {}


def _given(as_it_is: Any) -> Any:
    return as_it_is


class EndedEpisode(NamedTuple):
    """An episode's return, and the steps of all copies when it ended."""

    steps: int
    episode_return: float


class VectorGames:
    """Copies of an environment behind `collect.Games`, stepped in turn; `ended` grows by every episode's end.

    An environment whose episode ended begins the next one in the same step.
    """

    def __init__(self, envs: Sequence[gymnasium.Env[Any, Any]], seeds: Sequence[int], tick_s: float = TICK_S) -> None:
        self._envs = list(envs)
        self.count = len(envs)
        self._tick_s = np.float32(tick_s)
        self.steps = 0
        self.ended: list[EndedEpisode] = []
        self._returns = np.zeros(self.count)
        self._first = np.ones(self.count, np.bool_)
        first = [env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)]
        self._rows: FloatArray = np.stack(first).astype(np.float32)

    def seen(self) -> Seen:
        """What the next actions answer."""
        elapsed_s = np.where(self._first, np.float32(0.0), self._tick_s)
        return Seen(self._rows, self._first, elapsed_s)

    def step(self, axes: FloatArray, choices: IntArray) -> Happened:
        """One step of every copy."""
        actions = np.concatenate([axes, choices], 1, dtype=np.float64)
        rows, rewards = np.empty_like(self._rows), np.zeros(self.count)
        terminated, truncated = np.zeros(self.count, np.bool_), np.zeros(self.count, np.bool_)
        final: dict[int, FloatArray] = {}
        self.steps += self.count
        for i, env in enumerate(self._envs):
            row, reward, terminated[i], truncated[i], _ = env.step(actions[i])
            rewards[i] = reward
            self._returns[i] += rewards[i]
            if terminated[i] or truncated[i]:
                final[i] = np.array(row, np.float32)
                self.ended.append(EndedEpisode(self.steps, float(self._returns[i])))
                self._returns[i] = 0.0
                row, _ = env.reset()
            rows[i] = row
        self._rows, self._first = rows, terminated | truncated
        return Happened(rewards, terminated, truncated & ~terminated, final)


class GymTraining:
    """A policy on some copies of one environment; `steps` counts decisions of all copies.

    options: what stands above the preset. preset: taken as it is, instead of one that is chosen. kept: of the
    checkpoint of a training that goes on; it begins new episodes: an environment's inside is not ours to save.
    """

    def __init__(
        self, game: str, *, seed: int, total_steps: int, options: EnvironmentOptions = DEFAULT_OPTIONS,
        profile: Path | None = None, preset: Preset | None = None, kept: Kept | None = None,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.game = game
        first = open_env(game)
        actions = ActionSpace(first.action_space)
        actions.check_bounds()
        own = load_profile(game.removeprefix("gym:"), profile, actions)
        space = first.observation_space
        name = ""
        if preset is None and kept is not None:
            preset = going_on(kept, EnvView(space, own.picture, max_px=64, paint_flags=True), options)
        elif preset is None:
            name, preset = chosen(game, EnvView(space, own.picture), options)
        self.preset = preset
        if preset.frame_skip is not None:
            own = msgspec.structs.replace(own, frame_skip=preset.frame_skip)
        self.view = EnvView(space, own.picture, max_px=preset.picture_px, paint_flags=preset.paint_flags)
        self.policy = build_policy(self.view, actions.spec, preset)
        self._profile = own
        self._tick_s = 1.0 / (first.tick_hz if profile is None and says_its_pace(game) else own.tick_hz)
        envs = [first, *(open_env(game) for _ in range(preset.copies - 1))]
        self._games = VectorGames(self._rows(envs), [seed * 1000 + i for i in range(preset.copies)], self._tick_s)
        updates = max(1, total_steps // (preset.copies * preset.stretch))
        config = msgspec.structs.replace(preset.ppo, anneal_updates=updates)
        shown = shown_of(self.view, actions, own)
        stacked = f", the last {preset.frame_stack} together," if preset.frame_stack > 1 else ""
        remembers = f", remembers {preset.memory} numbers" if preset.memory else ""
        self.about = [
            f"{game} shows {self.view.describe()}",
            f"the policy observes and does {shown.describe()}{stacked}{remembers}; it learns by {describe_ppo(config)}",
            f"preset {name or 'of before'}: {preset.copies} copies, network {preset.network} with {preset.width} units",
        ]
        excess = too_large(shown)
        if excess:
            self.about.append(f"{game}: neither play nor evaluate will take these weights: {excess}")
        self.learner = PPOLearner(self.policy, config, seed=seed, scale_rewards=preset.scale_rewards, compiled=COMPILED)
        self.steps = self.episodes = 0
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.pays: Callable[[list[Rollout]], list[Rollout]] = _given
        """What is learned from in place of what was played: other rewards, say."""
        self._actor = PolicyActor(self.policy, preset.copies, compiled=COMPILED)
        self._held_out: list[RowEnv] = []

    @property
    def kept_notes(self) -> dict[str, Any]:
        """What a checkpoint is to say of it."""
        return {"preset": msgspec.to_builtins(self.preset)}

    def _rows(self, envs: Sequence[Any]) -> list[RowEnv]:
        skip, stack = self._profile.frame_skip, self.preset.frame_stack
        return [RowEnv(env, self.view, ActionSpace(env.action_space), skip, stack) for env in envs]

    def advance(self) -> dict[str, float]:
        """Play one stretch of every copy and learn from it; figures by name."""
        rollouts = self._play()
        metrics = self.learner.update_many(self.pays(rollouts))
        self.steps += self._games.count * self.preset.stretch
        metrics["episodes"] = float(self.episodes)
        metrics["reward"] = float(np.mean([rollout.rewards.mean() for rollout in rollouts]))
        if self.recent:
            metrics["episode_return"] = float(np.mean(self.recent))
        return metrics

    def _play(self) -> list[Rollout]:
        play = collect(self._games, self._actor, self.preset.stretch)
        self.episodes += len(self._games.ended)
        self.recent.extend(episode.episode_return for episode in self._games.ended)
        self._games.ended.clear()
        instances = [f"{self.game} {i}" for i in range(self._games.count)]
        made = rollouts(play, instances, "ppo", self.learner.version)
        for rollout in made:
            check_learnable(self.game, rollout, self.policy.features, self.policy.spec)
        return made

    def evaluate(self, seeds: Sequence[int]) -> list[float]:
        """The return of one episode for each of these seeds, played by the likeliest actions in copies of its own."""
        if not self._held_out:
            count = min(len(seeds), self.preset.copies)
            self._held_out = self._rows([open_env(self.game) for _ in range(count)])
        return held_out_returns(self._held_out, self.policy, seeds, self._tick_s)

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
        self.recent.clear()
        self.recent.extend(tensors["recent"].tolist())

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        sizes = msgspec.to_builtins(self.policy.sizes) if isinstance(self.policy, FlatPolicy | FramePolicy) else {}
        skip = self._profile.frame_skip
        told = {"frame_skip": skip} if skip > 1 or self.preset.frame_skip is not None else {}
        told |= {"paint_flags": self.preset.paint_flags} if self.view.shape else {}
        return {
            "tensors": {name: t.numpy() for name, t in self.policy.state_dict().items()},
            "kind": FRAME_KIND if self.view.shape else FLAT_KIND,
            "layout": {"game": self.game, "features": self.view.features} | told,
            "sizes": sizes,
            "notes": {"steps": self.steps},
        }
