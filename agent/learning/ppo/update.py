"""Proximal policy optimisation (Schulman et al. 2017) with the details of CleanRL, over sequences.

`PPO` is the algorithm: a policy, its optimiser, sequences in. Who has rollouts uses `ppo.learner.PPOLearner`.
Minibatches are whole sequences: memory begins as it was in play, is forgotten where is_first, and gradients end with
the sequence (truncated backpropagation through time). Owns the optimiser; no games, no files.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from agent.core.errors import WeightsError
from agent.core.rollout import BoolArray
from agent.core.types import FloatArray
from agent.learning.adam import Adam
from agent.learning.configs import PPOConfig
from agent.learning.tensors import load_adam, module_tensors, moment_tensors, take_up
from agent.models.heads import Heads, entropy, forbid, log_prob
from agent.models.policies import TrainablePolicy

MOMENTS: Final = "adam.{name}.{moment}"


def learning_rate(config: PPOConfig, updates: int) -> float:
    """The learning rate of the update after `updates` others."""
    rising = min(1.0, (updates + 1) / config.warm_updates) if config.warm_updates else 1.0
    if not config.anneal_updates or config.schedule == "constant":
        return config.lr * rising
    done = min(1.0, updates / config.anneal_updates)
    falling = 1.0 - done if config.schedule == "linear" else 0.5 + 0.5 * math.cos(math.pi * done)
    return config.lr * rising * falling


class RolloutSequences(msgspec.Struct, frozen=True, eq=False):
    """S sequences of L steps; `weight` is 0 for padding. Advantages and returns are of the behaviour's values.

    allowed: which of the M choices of all branches could be made; see `heads.forbid`.
    """

    obs: Float[Tensor, "S L D"]
    carry: Float[Tensor, "S U"]
    is_first: Bool[Tensor, "S L"]
    elapsed_s: Float[Tensor, "S L"]
    axes: Float[Tensor, "S L C"]
    choices: Int64[Tensor, "S L N"]
    allowed: Bool[Tensor, "S L M"]
    log_probs: Float[Tensor, "S L"]
    values: Float[Tensor, "S L"]
    advantages: Float[Tensor, "S L"]
    returns: Float[Tensor, "S L"]
    weight: Float[Tensor, "S L"]

    def rows(self, index: Int64[Tensor, " N"]) -> RolloutSequences:
        """Some of the sequences."""
        return RolloutSequences(*(_rows(getattr(self, name), index) for name in self.__struct_fields__))


def _rows(x: Tensor, index: Int64[Tensor, " N"]) -> Tensor:
    return x.index_select(0, index) if x.numel() else x.new_empty((len(index), *x.shape[1:]))


class Behaviour(NamedTuple):
    """What a minibatch of R steps was made with: choices i64 [R, B], the others f32 [R]."""

    choices: NDArray[np.int64]
    log_probs: FloatArray
    values: FloatArray
    advantages: FloatArray
    returns: FloatArray
    weight: FloatArray


class Compiled(ABC):
    """What `ppo.compiled` does in place of torch; apart from it, so that numba is loaded only where it is used."""

    @abstractmethod
    def can(self, heads: Heads) -> bool:
        """True where `losses` and `sample` do."""

    @abstractmethod
    def sample(self, heads: Heads) -> tuple[NDArray[np.int64], FloatArray]:
        """Choices [N, B] and their log-probabilities [N]."""

    @abstractmethod
    def advantages(
        self, rewards: FloatArray, values: FloatArray, next_values: FloatArray, terminated: BoolArray, cut: BoolArray,
        config: PPOConfig,
    ) -> FloatArray:  # fmt: skip
        """As `returns.advantages`, of one game: all [T]."""

    @abstractmethod
    def losses(
        self, heads: Heads, behaviour: Behaviour, config: PPOConfig
    ) -> tuple[list[float], list[Tensor], list[Tensor]]:
        """Policy loss, value loss, entropy, KL, share of clipped ratios; what to differentiate, by which gradients."""


class PPO:
    """A policy and its optimiser. `tensors()` names its parts `policy.…`, `adam.…` and `ppo.…`."""

    def __init__(
        self, policy: TrainablePolicy, config: PPOConfig, *, seed: int = 0, compiled: Compiled | None = None
    ) -> None:
        """compiled: computes the losses of choices, with gradients, in place of torch."""
        self.policy, self.config, self._compiled = policy, config, compiled
        self.optimiser = Adam(policy.parameters(), config.lr, eps=1e-5, fused=compiled is not None)
        self.updates = 0
        self.beside: Callable[[], Tensor] | None = None
        """A loss that each minibatch adds, such as that of imitation."""
        self._random = torch.Generator().manual_seed(seed)

    def heads(self, part: RolloutSequences, *, is_free: bool = False) -> Heads:
        """What the policy says at every step, forbidden choices left out; is_free: none is forbidden."""
        heads, _ = self.policy(part.obs, part.carry, part.is_first, part.elapsed_s)
        return heads if is_free else forbid(heads, part.allowed)

    def step(self, loss: Tensor | Sequence[Tensor], slopes: Sequence[Tensor | None] | None = None) -> Float[Tensor, ""]:
        """One step of the optimiser down `loss`; the gradient's norm before it is clipped.

        slopes: the loss's gradients by each of some tensors that stand for it.
        """
        self.optimiser.zero_grad()
        torch.autograd.backward(loss, slopes)
        norm = _clip([p.grad for p in self.optimiser.parameters if p.grad is not None], self.config.max_grad)
        self.optimiser.step()
        return norm

    def update(self, data: RolloutSequences) -> dict[str, float]:
        """Some epochs over the sequences; then the normaliser takes them in. Means of the losses by name."""
        config = self.config
        self.optimiser.lr = learning_rate(config, self.updates)
        count = data.obs.shape[0]
        parts = min(config.minibatches, count)
        is_free = bool(data.allowed.all())
        sums = torch.zeros(6)
        taken = 0
        for _ in range(config.epochs):
            order = torch.randperm(count, generator=self._random)
            kl = 0.0
            for index in order.chunk(parts):
                metrics = self._minibatch(data.rows(index), is_free=is_free)
                sums += metrics
                taken += 1
                kl += float(metrics[3])
            if config.target_kl and kl / parts > config.target_kl:
                break
        self.policy.observe(data.obs[data.weight > 0])
        self.updates += 1
        means = (sums / max(taken, 1)).tolist()
        names = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm")
        spread = torch.var(data.returns)
        explained = 1.0 - torch.var(data.returns - data.values) / spread if float(spread) > 0 else torch.zeros(())
        return {**dict(zip(names, means, strict=True)), "explained_variance": float(explained)}

    def _minibatch(self, part: RolloutSequences, *, is_free: bool = False) -> Float[Tensor, " 6"]:
        """One minibatch; policy loss, value loss, entropy, KL, share of clipped ratios, gradient norm."""
        config = self.config
        heads = self.heads(part, is_free=is_free)
        if self._compiled is not None and self._compiled.can(heads):
            return self._compiled_minibatch(self._compiled, heads, part)
        weight = part.weight / part.weight.sum().clamp_min(1.0)
        log_ratio = (log_prob(heads, part.axes, part.choices) - part.log_probs).clamp(-20.0, 20.0)
        ratio = log_ratio.exp()
        mean = (part.advantages * weight).sum()
        std = ((part.advantages - mean).square() * weight).sum().sqrt()
        advantage = (part.advantages - mean) / (std + 1e-8)
        clipped = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
        policy_loss = (torch.maximum(-advantage * ratio, -advantage * clipped) * weight).sum()
        error = (heads.value - part.returns).square()
        if config.clip_value:
            near = part.values + (heads.value - part.values).clamp(-config.clip, config.clip)
            clipped_error = (near - part.returns).square()
            error = torch.maximum(error, clipped_error) if config.larger_value else clipped_error
        value_loss = 0.5 * (error * weight).sum()
        spread = (entropy(heads) * weight).sum()
        loss = policy_loss + config.value_weight * value_loss - config.entropy_weight * spread
        if self.beside is not None:
            loss = loss + self.beside()
        norm = self.step(loss)
        with torch.no_grad():
            kl = ((ratio - 1.0 - log_ratio) * weight).sum()
            cut = (((ratio - 1.0).abs() > config.clip) * weight).sum()
            return torch.stack([policy_loss, value_loss, spread, kl, cut, norm]).detach()

    def _compiled_minibatch(self, compiled: Compiled, heads: Heads, part: RolloutSequences) -> Float[Tensor, " 6"]:
        """As `_minibatch`, by closed gradients."""
        steps = (part.log_probs, part.values, part.advantages, part.returns, part.weight)
        choices = part.choices.reshape(-1, part.choices.shape[-1]).numpy()
        figures, outputs, slopes = compiled.losses(
            heads, Behaviour(choices, *(x.reshape(-1).numpy() for x in steps)), self.config
        )
        given: list[Tensor | None] = [*slopes]
        if self.beside is not None:
            outputs, given = [*outputs, self.beside()], [*given, None]
        return torch.tensor([*figures, float(self.step(outputs, given))])

    def tensors(self) -> dict[str, Tensor]:
        """Weights, the optimiser's moments, counters and random state, by name; some are views."""
        moments = moment_tensors(MOMENTS, list(self.policy.named_parameters()), self.optimiser.state)
        counters = {"ppo.updates": torch.tensor(self.updates), "ppo.random": self._random.get_state()}
        return module_tensors(self.policy, "policy.") | moments | counters

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave, others are left; raises WeightsError where names, shapes or types differ."""
        for name in ("ppo.updates", "ppo.random"):
            if name not in tensors:
                raise WeightsError(f"{name} is missing")
        given = {name: tensor for name, tensor in tensors.items() if name.startswith("policy.")}
        take_up(module_tensors(self.policy, "policy."), given)
        load_adam(MOMENTS, list(self.policy.named_parameters()), self.optimiser, tensors)
        self.updates = int(tensors["ppo.updates"])
        self._random.set_state(tensors["ppo.random"].to(torch.uint8))


@torch.no_grad()
def _clip(gradients: list[Tensor], maximum: float) -> Float[Tensor, ""]:
    """Scale gradients in place to a common norm of at most `maximum`; their norm before.

    As torch.nn.utils.clip_grad_norm_, without its sorting by device.
    """
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients, 2.0)), 2.0)
    torch._foreach_mul_(gradients, torch.clamp(maximum / (norm + 1e-6), max=1.0))
    return norm
