"""The one loop that plays games side by side and gathers what happened, for training and for benches.

The time of every field is that of `core.rollout.Rollout`: the action of row t is taken at `obs[t]`; rewards and ends of
row t followed it. Owns no game and no policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.core.errors import NumberError
from agent.core.rollout import ActionSpec, BoolArray, IntArray, Rollout, check_rollout
from agent.core.types import FloatArray
from agent.learning.ppo.update import Compiled
from agent.models.heads import log_prob, sample
from agent.models.policies import TrainablePolicy


class Seen(NamedTuple):
    """What N games show: obs f32 [N, D], is_first bool [N], elapsed_s f32 [N] since the observation before."""

    obs: FloatArray
    is_first: BoolArray
    elapsed_s: FloatArray


class Happened(NamedTuple):
    """What one step of N games led to: rewards [N]; terminated, truncated bool [N], never both.

    final: what was seen last in the games that ended, f32 [D] by game; empty where nobody saw it.
    """

    rewards: NDArray[np.floating[Any]]
    terminated: BoolArray
    truncated: BoolArray
    final: dict[int, FloatArray]


class Games(Protocol):
    """N games in lock-step; a game that ended begins anew in the same step."""

    def seen(self) -> Seen:
        """What the next actions answer; arrays that are not changed later."""
        ...

    def step(self, axes: FloatArray, choices: IntArray) -> Happened:
        """Carry out one action of each game: axes [N, C] in −1 … 1, choices [N, B]."""
        ...


class Deed(NamedTuple):
    """Actions of N games, axes f32 [N, C], choices i64 [N, B]; with the policy's log_probs and values [N], or None."""

    axes: FloatArray
    choices: IntArray
    log_probs: FloatArray | None = None
    values: FloatArray | None = None


class Play(NamedTuple):
    """T steps of N games, [T, N, …]; `after` f32 [N, D] is seen at the end, `finals` are the `final` of every step."""

    obs: FloatArray
    is_first: BoolArray
    elapsed_s: FloatArray
    axes: FloatArray
    choices: IntArray
    log_probs: FloatArray | None
    values: FloatArray | None
    rewards: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    finals: list[dict[int, FloatArray]]
    after: FloatArray


def collect(games: Games, act: Callable[[Seen], Deed], steps: int, *, episodes: int = 0) -> Play:
    """Play at least `steps` steps of every game, and on until `episodes` of them have ended."""
    seen: list[Seen] = []
    deeds: list[Deed] = []
    happened: list[Happened] = []
    ended = 0
    while len(seen) < steps or ended < episodes:
        seen.append(games.seen())
        deeds.append(act(seen[-1]))
        happened.append(games.step(deeds[-1].axes, deeds[-1].choices))
        ended += int((happened[-1].terminated | happened[-1].truncated).sum())
    log_probs = [d.log_probs for d in deeds if d.log_probs is not None]
    values = [d.values for d in deeds if d.values is not None]
    return Play(
        np.stack([s.obs for s in seen]), np.stack([s.is_first for s in seen]), np.stack([s.elapsed_s for s in seen]),
        np.stack([d.axes for d in deeds]), np.stack([d.choices for d in deeds]),
        np.stack(log_probs) if log_probs else None, np.stack(values) if values else None,
        np.stack([h.rewards for h in happened]).astype(np.float32), np.stack([h.terminated for h in happened]),
        np.stack([h.truncated for h in happened]), [h.final for h in happened], games.seen().obs,
    )  # fmt: skip


def rollouts(play: Play, instances: Sequence[str], policy: str, version: int) -> list[Rollout]:
    """One rollout for each game of a play."""
    made = []
    for i, instance in enumerate(instances):
        over = (play.terminated | play.truncated)[:, i]
        final = [play.finals[t].get(i, play.obs[t, i]) for t in np.flatnonzero(over)]
        if not over[-1]:
            final.append(play.after[i])
        made.append(Rollout(
            instance=instance, policy=policy, policy_version=version, obs=play.obs[:, i],
            actions_cont=play.axes[:, i], actions_disc=play.choices[:, i], rewards=play.rewards[:, i],
            terminated=play.terminated[:, i], truncated=play.truncated[:, i], is_first=play.is_first[:, i],
            elapsed_s=play.elapsed_s[:, i], final_obs=np.stack(final),
            log_probs=None if play.log_probs is None else play.log_probs[:, i],
            values=None if play.values is None else play.values[:, i],
        ))  # fmt: skip
    return made


def check_learnable(game: str, rollout: Rollout, features: int, spec: ActionSpec) -> None:
    """Raise NumberError, naming the game, where a rollout holds numbers that cannot be learned from."""
    reason = check_rollout(rollout, features, spec)
    if reason:
        raise NumberError(f"{game}: its {reason} in training")


class PolicyActor:
    """Samples the actions of a `TrainablePolicy` for N games; `carry` [N, U] is its memory.

    `change` may overwrite sampled axes and choices, in place; log-probabilities are those of what it leaves.
    """

    def __init__(
        self,
        policy: TrainablePolicy,
        games: int,
        change: Callable[[Tensor, Tensor], None] | None = None,
        compiled: Compiled | None = None,
    ) -> None:
        """compiled: draws choices in place of torch, where nothing changes them."""
        self.policy, self.carry, self.change, self._compiled = policy, policy.initial(games), change, compiled

    def value(self, seen: Seen) -> Tensor:
        """The value [N] of what is seen, without remembering it."""
        obs, first, elapsed_s = (torch.from_numpy(x)[:, None] for x in seen)
        with torch.no_grad():
            heads, _ = self.policy(obs, self.carry, first, elapsed_s)
        value: Tensor = heads.value[:, 0]
        return value

    @torch.no_grad()
    def __call__(self, seen: Seen) -> Deed:
        """Act once, and remember."""
        obs, first, elapsed_s = (torch.from_numpy(x)[:, None] for x in seen)
        heads, self.carry = self.policy(obs, self.carry, first, elapsed_s)
        if self._compiled is not None and self.change is None and self._compiled.can(heads):
            picked, log_probs = self._compiled.sample(heads)
            return Deed(np.zeros((len(picked), 0), np.float32), picked, log_probs, heads.value[:, 0].numpy())
        axes, choices = (x[:, 0] for x in sample(heads))
        if self.change is not None:
            self.change(axes, choices)
        said = log_prob(heads, axes[:, None], choices[:, None])[:, 0]
        return Deed(axes.numpy(), choices.numpy(), said.numpy(), heads.value[:, 0].numpy())
