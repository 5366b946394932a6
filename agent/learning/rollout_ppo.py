"""PPO from rollouts: cuts them into sequences with the memory they began with, and bootstraps where play went on.

Memory is recomputed with the weights of now from the carry that a rollout brings, or from none. Log-probabilities and
values are the behaviour's; where a rollout has none they are recomputed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from agent.core.rollout import Rollout
from agent.learning.ppo import PPO, PPOConfig, Sequences
from agent.learning.returns import advantages
from agent.models.heads import log_prob
from agent.models.masked import MaskedPolicy
from agent.models.policies import Policy


class PPOLearner:
    """A policy that learns from one rollout at a time."""

    name = "ppo"

    def __init__(self, policy: Policy, config: PPOConfig, *, seed: int = 0) -> None:
        self.inner = policy
        masked = MaskedPolicy(policy) if policy.spec.branches else policy
        self.ppo = PPO(masked, config, seed=seed)

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Some epochs over a rollout; losses by name."""
        return self.ppo.update(self.sequences(rollout))

    def imitate(self, rollout: Rollout, *, epochs: int = 4) -> dict[str, float]:
        """Raise the likelihood of a demonstration's actions; its mean negative logarithm before and after."""
        data, policy = self.sequences(rollout), self.ppo.policy
        weight = data.weight / data.weight.sum()
        policy.observe(data.obs[data.weight > 0])
        figures = []
        for _ in range(epochs + 1):
            heads, _ = policy(data.obs, data.carry, data.is_first, data.elapsed)
            loss = -(log_prob(heads, data.axes, data.choices) * weight).sum()
            figures.append(float(loss.detach()))
            if len(figures) <= epochs:
                self.ppo.optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(policy.parameters(), self.ppo.config.most_grad)
                self.ppo.optimiser.step()
        return {"demo_loss_before": figures[0], "demo_loss": figures[-1], "demo_steps": float(len(rollout))}

    def weights(self) -> dict[str, np.ndarray]:
        """The policy's own weights."""
        return {name: t.detach().cpu().numpy().copy() for name, t in self.inner.state_dict().items()}

    def take_weights(self, tensors: dict[str, np.ndarray]) -> None:
        """Go on from other weights; the optimiser's moments belong to the old ones and are dropped."""
        self.inner.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
        self.ppo.optimiser.state.clear()

    @torch.no_grad()
    def sequences(self, rollout: Rollout) -> Sequences:
        """A rollout as sequences of `config.length` steps, the last one padded."""
        policy, config = self.ppo.policy, self.ppo.config
        obs = self._observations(rollout)
        is_first, elapsed = torch.from_numpy(rollout.is_first), torch.from_numpy(rollout.elapsed)
        axes, choices = torch.from_numpy(rollout.actions_cont), torch.from_numpy(rollout.actions_disc)
        given = rollout.carry
        carry = policy.initial(1) if given is None else torch.from_numpy(given)[None]
        cut = torch.from_numpy(rollout.is_cut)
        final = self._final(rollout)
        steps, length = len(rollout), config.length
        log_probs, values, after, carries = [], [], torch.zeros(steps), []
        seen = 0
        for start, end in _pieces(rollout.is_cut, length):
            if start % length == 0:
                carries.append(carry)
            piece = slice(start, end)
            heads, carry = policy(obs[None, piece], carry, is_first[None, piece], elapsed[None, piece])
            log_probs.append(log_prob(heads, axes[None, piece], choices[None, piece])[0])
            values.append(heads.value[0])
            if cut[end - 1]:
                no, wait = torch.zeros(1, 1, dtype=torch.bool), elapsed[None, end - 1 : end]
                after[end - 1] = policy(final[None, seen : seen + 1], carry, no, wait)[0].value[0, 0]
                seen += 1
        value = torch.cat(values) if rollout.values is None else torch.from_numpy(rollout.values)
        chances = torch.cat(log_probs) if rollout.log_probs is None else torch.from_numpy(rollout.log_probs)
        after = torch.where(cut, after, torch.cat([value[1:], value[-1:]]))
        rewards, terminated = torch.from_numpy(rollout.rewards), torch.from_numpy(rollout.terminated)
        advantage = advantages(
            rewards[:, None], value[:, None], after[:, None], terminated[:, None], cut[:, None], config.gamma,
            config.lam,
        )[:, 0]  # fmt: skip
        columns = (is_first, elapsed, axes, choices, chances, value, advantage, advantage + value, torch.ones(steps))
        return Sequences(rows_of(obs, length), torch.cat(carries), *(rows_of(x, length) for x in columns))

    def _observations(self, rollout: Rollout) -> Tensor:
        obs = torch.from_numpy(rollout.obs)
        if not isinstance(self.ppo.policy, MaskedPolicy):
            return obs
        masks = rollout.action_masks
        width = self.ppo.policy.choices
        allowed = torch.ones(len(obs), width) if masks is None else torch.from_numpy(masks).float()
        return torch.cat([obs, allowed], 1)

    def _final(self, rollout: Rollout) -> Tensor:
        final = torch.from_numpy(rollout.final_obs)
        if not isinstance(self.ppo.policy, MaskedPolicy):
            return final
        return torch.cat([final, torch.ones(len(final), self.ppo.policy.choices)], 1)

    def tensors(self) -> dict[str, Tensor]:
        """What a restart needs."""
        return self.ppo.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        self.ppo.load_tensors(tensors)


def _pieces(is_cut: np.ndarray, length: int) -> list[tuple[int, int]]:
    """Stretches that end at each cut and at each multiple of `length`."""
    steps = len(is_cut)
    ends = np.union1d(np.flatnonzero(is_cut) + 1, np.append(np.arange(length, steps, length), steps))
    return list(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True))


def rows_of(x: Tensor, length: int) -> Tensor:
    """[T, …] as [S, L, …], padded with zeros."""
    short = -len(x) % length
    if short:
        x = torch.cat([x, torch.zeros(short, *x.shape[1:], dtype=x.dtype)])
    return x.reshape(len(x) // length, length, *x.shape[1:])
