"""PPO as a learner of rollouts: what a game's play is made into for PPO, and the served policy's weights in and out.

How old a rollout may be is decided by whoever sends it. Owns the memory at the end of each instance's last rollout and
the running scale of rewards; no games, no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from agent.core.errors import WeightsError
from agent.core.rollout import Rollout, check_rollout
from agent.learning.configs import PPOConfig
from agent.learning.ppo.returns import advantages
from agent.learning.ppo.update import PPO, Compiled, RolloutSequences
from agent.models.heads import Heads, forbid, log_prob
from agent.models.policies import TrainablePolicy

Weights = dict[str, NDArray[Any]]


class ReturnScale:
    """Running root mean square of discounted returns; rewards are divided by it. Saved with the learner.

    Not the deviation from their mean: where every step pays the same that falls to nothing, and values would grow.
    """

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma
        self.moments = torch.tensor([0.0, 0.0, 0.0], dtype=torch.float64)
        self._returns: dict[str, float] = {}

    def update(self, instance: str, rewards: Float[Tensor, " T"], last: Bool[Tensor, " T"]) -> None:
        """Take in the rewards of one stretch."""
        running = self._returns.get(instance, 0.0)
        seen = []
        for reward, ended in zip(rewards.tolist(), last.tolist(), strict=True):
            running = self.gamma * running + reward
            seen.append(running)
            if ended:
                running = 0.0
        self._returns[instance] = running
        new = torch.tensor(seen, dtype=torch.float64)
        self.moments += torch.stack(
            [torch.tensor(float(len(seen)), dtype=torch.float64), new.sum(), new.square().sum()]
        )

    def running(self, maximum: int) -> dict[str, Tensor]:
        """Discounted returns so far of the last `maximum` instances."""
        kept = list(self._returns.items())[-maximum:]
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in kept}

    def go_on(self, instance: str, value: float) -> None:
        """An instance's return so far."""
        self._returns[instance] = value

    @property
    def size(self) -> float:
        """The root mean square; 1 before anything was paid."""
        count, _, squares = self.moments.tolist()
        return float(max(squares / count, 1e-8) ** 0.5) if squares else 1.0


class PPOLearner:
    """One policy of any kind learning from rollouts. `version` counts its updates."""

    name = "ppo"

    def __init__(
        self,
        policy: TrainablePolicy,
        config: PPOConfig,
        *,
        seed: int = 0,
        scale_rewards: bool = True,
        compiled: Compiled | None = None,
    ) -> None:
        """compiled: see `PPO`."""
        self.ppo = PPO(policy, config, seed=seed, compiled=compiled)
        self._compiled = compiled
        self.policy, self.config = policy, config
        self.version = 0
        self._scale = ReturnScale(config.gamma) if scale_rewards else None
        self._carries: dict[str, Tensor] = {}

    def configure(self, config: PPOConfig) -> None:
        """Go on with other hyper-parameters; optimiser, scale of rewards and random state stay."""
        self.config = self.ppo.config = config
        if self._scale is not None:
            self._scale.gamma = config.gamma

    @property
    def length(self) -> int:
        """Steps of a sequence; 1 without memory: a minibatch is then drawn from all steps, not from a few games."""
        return self.config.length if self.policy.units else 1

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Some epochs over one rollout, losses by name; raises ValueError where it does not fit the policy."""
        return self.update_many([rollout])

    def update_many(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        """Learn from rollouts of several instances at once."""
        for rollout in rollouts:
            reason = check_rollout(rollout, self.policy.features, self.policy.spec)
            if reason:
                raise ValueError(f"rollout of {rollout.instance}: {reason}")
        parts = [self.sequences(rollout) for rollout in rollouts]
        joined = RolloutSequences(
            *(torch.cat([getattr(p, n) for p in parts]) for n in RolloutSequences.__struct_fields__)
        )
        metrics = self.ppo.update(joined)
        self.version += 1
        return metrics

    def imitate(self, rollout: Rollout, *, epochs: int = 4) -> dict[str, float]:
        """Raise the likelihood of a demonstration's actions; its mean negative logarithm before and after."""
        data = self.sequences(rollout)
        weight = data.weight / data.weight.sum()
        self.policy.observe(data.obs[data.weight > 0])
        metrics = []
        for _ in range(epochs + 1):
            loss = -(log_prob(self.ppo.heads(data), data.axes, data.choices) * weight).sum()
            metrics.append(float(loss.detach()))
            if len(metrics) <= epochs:
                self.ppo.step(loss)
        return {"demo_loss_before": metrics[0], "demo_loss": metrics[-1], "demo_steps": float(len(rollout))}

    @torch.no_grad()
    def sequences(self, rollout: Rollout) -> RolloutSequences:
        """A rollout cut into sequences, with advantages; what the worker did not say is computed anew."""
        obs, first = torch.from_numpy(rollout.obs), torch.from_numpy(rollout.is_first)
        elapsed_s, cut = torch.from_numpy(rollout.elapsed_s), torch.from_numpy(rollout.is_cut)
        axes, choices = torch.from_numpy(rollout.actions_cont), torch.from_numpy(rollout.actions_disc)
        allowed = self._allowed(rollout)
        start = self._carries.get(rollout.instance, self.policy.initial(1))
        if rollout.carry is not None:
            start = torch.from_numpy(rollout.carry)[None]
        seen = (obs, first, elapsed_s, axes, choices, allowed)
        told = rollout.values is not None and rollout.log_probs is not None
        final = torch.from_numpy(rollout.final_obs)
        values, log_probs, after, carries = self._look_back(seen, start, cut, final, told=told)
        self._carries[rollout.instance] = carries[-1:]
        if rollout.values is not None:
            values = torch.from_numpy(rollout.values)
        if rollout.log_probs is not None:
            log_probs = torch.from_numpy(rollout.log_probs)
        rewards = torch.from_numpy(rollout.rewards)
        if self._scale is not None:
            self._scale.update(rollout.instance, rewards, torch.from_numpy(rollout.is_last))
            rewards = rewards / self._scale.size
        next_values = torch.where(cut, after, torch.cat([values[1:], values[-1:]]))
        gained = self._advantages(rewards, values, next_values, torch.from_numpy(rollout.terminated), cut)
        return self._cut_up((*seen, log_probs, values, gained, gained + values), carries)

    def _advantages(self, rewards: Tensor, values: Tensor, after: Tensor, terminated: Tensor, cut: Tensor) -> Tensor:
        """All [T]."""
        config = self.config
        if self._compiled is not None:
            return torch.from_numpy(self._compiled.advantages(
                rewards.numpy(), values.numpy(), after.numpy(), terminated.numpy(), cut.numpy(), config
            ))  # fmt: skip
        return advantages(
            rewards[:, None], values[:, None], after[:, None], terminated[:, None], cut[:, None], config.gamma,
            config.lam,
        )[:, 0]  # fmt: skip

    def _allowed(self, rollout: Rollout) -> Bool[Tensor, "T M"]:
        if rollout.action_masks is not None:
            return torch.from_numpy(rollout.action_masks)
        return torch.ones(len(rollout), sum(self.policy.spec.branches), dtype=torch.bool)

    def _look_back(
        self,
        seen: tuple[Tensor, ...],
        start: Float[Tensor, "1 U"],
        cut: Bool[Tensor, " T"],
        final: Float[Tensor, "K D"],
        *,
        told: bool,
    ) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"], Float[Tensor, " T"], Float[Tensor, "T+1 U"]]:
        """Values, log-probabilities, the value after each cut step, and the memory before each step and after all.

        seen: obs [T, D], is_first [T], elapsed_s [T], axes [T, C], choices [T, N], allowed [T, M]. told: values and
        log-probabilities are known, so that those of no memory are left out, as zeros.
        """
        obs, first, elapsed_s, axes, choices, allowed = (x[None] for x in seen)
        steps = obs.shape[1]
        after = torch.zeros(steps)
        still = torch.zeros(1, 1, dtype=torch.bool)
        if self.policy.units == 0:
            ends = torch.nonzero(cut).squeeze(1)
            ended, _ = self.policy(
                final[:, None],
                self.policy.initial(len(final)),
                still.expand(len(final), 1),
                elapsed_s[0, ends][:, None],
            )
            after[ends] = ended.value[:, 0]
            if told:
                return after.clone().zero_(), after.clone().zero_(), after, start.expand(steps + 1, -1)
            heads, _ = self.policy(obs, start, first, elapsed_s)
            return heads.value[0], _said(heads, axes, choices, allowed)[0], after, start.expand(steps + 1, -1)
        values, said, carries = torch.zeros(steps), torch.zeros(steps), [start]
        row = 0
        for t in range(steps):
            at = slice(t, t + 1)
            heads, carry = self.policy(obs[:, at], carries[-1], first[:, at], elapsed_s[:, at])
            values[t], said[t] = heads.value[0, 0], _said(heads, axes[:, at], choices[:, at], allowed[:, at])[0, 0]
            if cut[t]:
                ended, _ = self.policy(final[None, row : row + 1], carry, still, elapsed_s[:, at])
                after[t] = ended.value[0, 0]
                row += 1
            carries.append(carry)
        return values, said, after, torch.cat(carries)

    def _cut_up(self, rows: tuple[Tensor, ...], carries: Tensor) -> RolloutSequences:
        """Sequences of `length` steps, the last padded with steps of weight 0 that begin anew; all is allowed there."""
        steps, length = rows[0].shape[0], self.length
        count = -(-steps // length)
        missing = count * length - steps

        def parts(x: Tensor, fill: float = 0.0) -> Tensor:
            padding = torch.full((missing, *x.shape[1:]), fill, dtype=x.dtype)
            return torch.cat([x, padding]).reshape(count, length, *x.shape[1:])

        obs, first, elapsed_s, axes, choices, allowed, *numbers = rows
        carry = carries[:steps:length].clone()
        log_probs, values, gained, returns = (parts(row) for row in numbers)
        return RolloutSequences(
            parts(obs), carry, parts(first, 1.0), parts(elapsed_s), parts(axes), parts(choices), parts(allowed, 1.0),
            log_probs, values, gained, returns, parts(torch.ones(steps)),
        )  # fmt: skip

    def weights(self) -> Weights:
        """The policy's own weights; copies."""
        return {name: t.detach().cpu().numpy().copy() for name, t in self.policy.state_dict().items()}

    def take_weights(self, tensors: Weights, *, keep_moments: bool = False) -> None:
        """Go on from other weights; the optimiser's moments belong to the old ones and are dropped, unless told."""
        own = self.policy.state_dict()
        same = all(np.array_equal(own[name].numpy(), t) for name, t in tensors.items() if name in own)
        self.policy.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
        if not same and not keep_moments:
            self.ppo.optimiser.state.clear()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs, but for the memories of running games."""
        found = self.ppo.tensors()
        # 0.1.0 counted dropped rollouts in the second place; its states have two numbers here.
        found["learner.counters"] = torch.tensor([self.version, 0])
        if self._scale is not None:
            found["learner.returns"] = self._scale.moments.clone()
        return found

    def memories(self, maximum: int) -> dict[str, Tensor]:
        """What is remembered of running games, the last `maximum` instances: their carries, and returns so far."""
        found = {f"carry.{name}": carry.clone() for name, carry in list(self._carries.items())[-maximum:]}
        if self._scale is not None:
            found |= {f"return.{name}": t for name, t in self._scale.running(maximum).items()}
        return found

    def load_memories(self, memories: dict[str, Tensor]) -> None:
        """Take up what `memories` gave; a carry of another width is forgotten."""
        for name, tensor in memories.items():
            kind, _, instance = name.partition(".")
            if kind == "carry" and tensor.shape == (1, self.policy.units):
                self._carries[instance] = tensor.clone()
            elif kind == "return" and self._scale is not None:
                self._scale.go_on(instance, float(tensor))

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where names, shapes or types differ.

        A state without a scale, as those of pictures had none in 0.1.0, goes on with rewards as they are paid.
        """
        scaled = self._scale is not None and "learner.returns" in tensors
        wanted = {"learner.counters": (2,), **({"learner.returns": (3,)} if scaled else {})}
        for name, shape in wanted.items():
            if name not in tensors or tuple(tensors[name].shape) != shape:
                raise WeightsError(f"{name} is missing or not of shape {shape}")
        self.ppo.load_tensors(tensors)
        self.version = int(tensors["learner.counters"][0])
        if self._scale is not None and scaled:
            self._scale.moments = tensors["learner.returns"].to(torch.float64).clone()
        else:
            self._scale = None


def _said(
    heads: Heads, axes: Float[Tensor, "*B C"], choices: Int64[Tensor, "*B N"], allowed: Bool[Tensor, "*B M"]
) -> Float[Tensor, "*B"]:
    return log_prob(forbid(heads, allowed), axes, choices)
