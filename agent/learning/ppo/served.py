"""A policy that is served and learns: PPO on rollouts with masks and carries, and imitation of demonstrations."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.core.rollout import BoolArray, Rollout
from agent.core.types import FloatArray
from agent.learning.configs import PPOConfig
from agent.learning.ppo.learner import PPOLearner
from agent.learning.ppo.update import RolloutSequences
from agent.models.heads import log_prob
from agent.models.masked import MaskedPolicy
from agent.models.policies import TrainablePolicy

Weights = dict[str, NDArray[Any]]


class ServedPPO:
    """`inner` behind a `PPOLearner`; where its actions have branches, forbidden choices stay forbidden."""

    name = "ppo"

    def __init__(self, inner: TrainablePolicy, config: PPOConfig, *, seed: int = 0, scale_rewards: bool = True) -> None:
        self.inner = inner
        self.policy = MaskedPolicy(inner) if inner.spec.branches else inner
        self.learner = PPOLearner(self.policy, config, seed=seed, scale_rewards=scale_rewards)

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Some epochs over a rollout; losses by name. How old it may be was decided by whoever sent it."""
        return self.learner.update(self._prepared(rollout))

    def sequences(self, rollout: Rollout) -> RolloutSequences:
        """A rollout as sequences, for other losses on the same policy."""
        return self.learner.sequences(self._prepared(rollout))

    def _prepared(self, rollout: Rollout) -> Rollout:
        """The rollout as the learner reads it: masks written behind the observations, the carry where it looks."""
        if rollout.carry is not None:
            self.learner.begin(rollout.instance, torch.from_numpy(rollout.carry)[None])
        changes: dict[str, Any] = {"policy_version": self.learner.version}
        if isinstance(self.policy, MaskedPolicy):
            changes["obs"] = _beside(rollout.obs, rollout.action_masks, self.policy.choices)
            changes["final_obs"] = _beside(rollout.final_obs, None, self.policy.choices)
        return msgspec.structs.replace(rollout, **changes)

    def imitate(self, rollout: Rollout, *, epochs: int = 4) -> dict[str, float]:
        """Raise the likelihood of a demonstration's actions; its mean negative logarithm before and after."""
        data = self.sequences(rollout)
        weight = data.weight / data.weight.sum()
        self.policy.observe(data.obs[data.weight > 0])
        metrics = []
        for _ in range(epochs + 1):
            heads, _ = self.policy(data.obs, data.carry, data.is_first, data.elapsed)
            loss = -(log_prob(heads, data.axes, data.choices) * weight).sum()
            metrics.append(float(loss.detach()))
            if len(metrics) <= epochs:
                self.step(loss)
        return {"demo_loss_before": metrics[0], "demo_loss": metrics[-1], "demo_steps": float(len(rollout))}

    def step(self, loss: Tensor) -> None:
        """One step of the optimiser down `loss`."""
        ppo = self.learner.ppo
        ppo.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), ppo.config.max_grad)
        ppo.optimiser.step()

    def weights(self) -> Weights:
        """The policy's own weights."""
        return {name: t.detach().cpu().numpy().copy() for name, t in self.inner.state_dict().items()}

    def take_weights(self, tensors: Weights, *, keep_moments: bool = False) -> None:
        """Go on from other weights; the optimiser's moments belong to the old ones and are dropped, unless told."""
        own = self.inner.state_dict()
        same = all(np.array_equal(own[name].numpy(), t) for name, t in tensors.items() if name in own)
        self.inner.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
        if not same and not keep_moments:
            self.learner.ppo.optimiser.state.clear()

    def tensors(self) -> dict[str, Tensor]:
        """What a restart needs."""
        return self.learner.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        self.learner.load_tensors(tensors)


def _beside(obs: FloatArray, masks: BoolArray | None, width: int) -> FloatArray:
    allowed = np.ones((len(obs), width), np.float32) if masks is None else masks.astype(np.float32)
    joined: FloatArray = np.concatenate([obs, allowed], 1)
    return joined


def rows_of(x: Tensor, length: int) -> Tensor:
    """[T, …] as [S, L, …], padded with zeros."""
    short = -len(x) % length
    if short:
        x = torch.cat([x, torch.zeros(short, *x.shape[1:], dtype=x.dtype)])
    return x.reshape(len(x) // length, length, *x.shape[1:])
