"""Proximal policy optimisation (Schulman et al. 2017) with the details of CleanRL, over sequences.

`PPO` is the algorithm: a policy, its optimiser, sequences in. Who has rollouts uses `ppo.learner.PPOLearner`.
Minibatches are whole sequences: memory begins as it was in play, is forgotten where is_first, and gradients end with
the sequence (truncated backpropagation through time). Owns the optimiser; no games, no files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import msgspec
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from agent.core.errors import WeightsError
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
        return RolloutSequences(*(getattr(self, name)[index] for name in self.__struct_fields__))


class PPO:
    """A policy and its optimiser. `tensors()` names its parts `policy.…`, `adam.…` and `ppo.…`."""

    def __init__(self, policy: TrainablePolicy, config: PPOConfig, *, seed: int = 0) -> None:
        self.policy, self.config = policy, config
        self.optimiser = Adam(policy.parameters(), config.lr, eps=1e-5)
        self.updates = 0
        self.beside: Callable[[], Tensor] | None = None
        """A loss that each minibatch adds, such as that of imitation."""
        self._random = torch.Generator().manual_seed(seed)

    def heads(self, part: RolloutSequences) -> Heads:
        """What the policy says at every step, forbidden choices left out."""
        heads, _ = self.policy(part.obs, part.carry, part.is_first, part.elapsed_s)
        return forbid(heads, part.allowed)

    def step(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """One step of the optimiser down `loss`; the gradient's norm before it is clipped."""
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad)
        self.optimiser.step()
        return norm

    def update(self, data: RolloutSequences) -> dict[str, float]:
        """Some epochs over the sequences; then the normaliser takes them in. Means of the losses by name."""
        config = self.config
        self.optimiser.lr = learning_rate(config, self.updates)
        count = data.obs.shape[0]
        parts = min(config.minibatches, count)
        sums = torch.zeros(6)
        taken = 0
        for _ in range(config.epochs):
            order = torch.randperm(count, generator=self._random)
            kl = 0.0
            for index in order.chunk(parts):
                metrics = self._minibatch(data.rows(index))
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

    def _minibatch(self, part: RolloutSequences) -> Float[Tensor, " 6"]:
        """One minibatch; policy loss, value loss, entropy, KL, share of clipped ratios, gradient norm."""
        config, weight = self.config, part.weight / part.weight.sum().clamp_min(1.0)
        heads = self.heads(part)
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
