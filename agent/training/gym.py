"""Training on any Gymnasium environment: some copies stepped together in this process, and PPO.

What an environment shows first as a picture is learned from as the RGB picture that the link carries, at its own
size up to 64 pixels; everything else as a row of numbers, whose rewards are divided by the running deviation of
returns. Games that are pictures count points, and are learned from as they count. Owns the copies and the learner.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import cv2
import gymnasium
import msgspec
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten
from numpy.typing import NDArray
from torch import Tensor

from agent.core.clock import TICK_S
from agent.core.errors import SettingsError, WeightsError
from agent.core.rollout import ActionSpec, Rollout
from agent.core.types import FloatArray
from agent.games.gymnasium_host import first_image, open_env, to_rgb
from agent.learning.configs import PPOConfig
from agent.learning.ppo.learner import PPOLearner
from agent.models.heads import log_prob, sample
from agent.models.policies import SMALL_PX, FlatPolicy, FramePolicy, TrainablePolicy
from agent.models.sizes import FlatSizes, FrameSizes

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

    def action(self, axes: FloatArray, choices: NDArray[np.int64]) -> Any:
        """The environment's action of one row."""
        space = self._space
        if isinstance(space, spaces.Discrete):
            return int(choices[0] + space.start)
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


class GymTraining:
    """A policy on `copies` of one environment; `steps` counts steps of all copies.

    A resumed training begins new episodes: an environment's inside is not ours to save.
    """

    def __init__(self, game: str, *, seed: int, total_steps: int, copies: int = 8) -> None:
        torch.manual_seed(seed)
        self.game = game
        self.envs: list[gymnasium.Env[Any, Any]] = [open_env(game) for _ in range(copies)]
        space = self.envs[0].observation_space
        self._seen = [env.reset(seed=seed * 1000 + i)[0] for i, env in enumerate(self.envs)]
        self._eyes, self._hands = Eyes(space, self._seen[0]), ActionDecoder(self.envs[0].action_space)
        self.policy, config = build_policy(self._eyes, self._hands.spec)
        updates = max(1, total_steps // (copies * STRETCH))
        config = msgspec.structs.replace(config, anneal_updates=updates)
        self.learner = PPOLearner(self.policy, config, seed=seed, scale_rewards=not self._eyes.shape)
        self.steps = self.episodes = 0
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self._returns = [0.0] * copies
        self._first = np.ones(copies, np.bool_)
        self._carry = self.policy.initial(copies)
        self._rows = np.stack([self._eyes.row(o) for o in self._seen])

    def advance(self) -> dict[str, float]:
        """Play one stretch of every copy and learn from it; figures by name."""
        metrics = self.learner.update_many(self._play())
        self.steps += len(self.envs) * STRETCH
        metrics["episodes"] = float(self.episodes)
        if self.recent:
            metrics["episode_return"] = float(np.mean(self.recent))
        return metrics

    @torch.no_grad()
    def _play(self) -> list[Rollout]:
        kept: list[list[Any]] = [[] for _ in range(9)]
        finals: list[dict[int, FloatArray]] = [{} for _ in self.envs]
        for t in range(STRETCH):
            obs, first = torch.from_numpy(self._rows), torch.from_numpy(self._first.copy())
            elapsed_s = torch.where(first, 0.0, TICK_S)
            heads, self._carry = self.policy(obs[:, None], self._carry, first[:, None], elapsed_s[:, None])
            axes, choices = (x[:, 0] for x in sample(heads))
            said = log_prob(heads, axes[:, None], choices[:, None])[:, 0]
            rewards, ends, cuts = self._step(axes.numpy(), choices.numpy(), t, finals)
            row = (obs, axes, choices, said, heads.value[:, 0], first, elapsed_s)
            for column, value in zip(kept, (*(x.numpy() for x in row), rewards, (ends, cuts)), strict=True):
                column.append(value)
        for copy, final in enumerate(finals):
            final.setdefault(STRETCH - 1, self._rows[copy])
        arrays = [np.stack(column, -1 if column is kept[7] else 1) for column in kept[:8]]
        ended, cut = (np.stack([pair[k] for pair in kept[8]], 1) for k in range(2))
        return [self._rollout(i, [a[i] for a in arrays], ended[i], cut[i], finals[i]) for i in range(len(self.envs))]

    def _rollout(self, i: int, a: list[Any], ended: Any, cut: Any, final: dict[int, FloatArray]) -> Rollout:
        return Rollout(
            instance=f"{self.game} {i}", policy="ppo", policy_version=self.learner.version, obs=a[0], actions_cont=a[1],
            actions_disc=a[2], log_probs=a[3], values=a[4], is_first=a[5], elapsed_s=a[6],
            rewards=a[7].astype(np.float32), terminated=ended, truncated=cut,
            final_obs=np.stack([final[t] for t in sorted(final)]),
        )  # fmt: skip

    def _step(
        self, axes: FloatArray, choices: NDArray[np.int64], t: int, finals: list[dict[int, FloatArray]]
    ) -> tuple[Any, Any, Any]:
        """One step of every copy: rewards, terminated, truncated; what ended begins anew, its last sight is kept."""
        count = len(self.envs)
        rewards, ends, cuts = np.zeros(count), np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        rows = np.empty_like(self._rows)
        self._first = np.zeros(count, np.bool_)
        for i, env in enumerate(self.envs):
            seen, reward, ends[i], cuts[i], _ = env.step(self._hands.action(axes[i], choices[i]))
            cuts[i] &= not ends[i]
            rewards[i] = float(reward)
            self._returns[i] += rewards[i]
            rows[i] = self._eyes.row(seen)
            if ends[i] or cuts[i]:
                finals[i][t] = rows[i].copy()
                self.recent.append(self._returns[i])
                self.episodes += 1
                self._returns[i], self._first[i] = 0.0, True
                rows[i] = self._eyes.row(env.reset()[0])
        self._rows = rows
        return rewards, ends, cuts

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs but the environments."""
        return {
            **self.learner.tensors(), "random": torch.get_rng_state(),
            "counters": torch.tensor([self.steps, self.episodes]), "recent": torch.tensor(list(self.recent)),
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
