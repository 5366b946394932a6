"""Learning to act inside the world model: an actor and a critic trained on imagined futures.

As in DreamerV3 (Hafner et al., Nature 2025): futures of `horizon` steps start at posterior states of real play; the
critic regresses λ-returns as a two-hot number, held near a slow copy of itself, on imagined and on replayed states;
the actor follows REINFORCE with returns divided by the running 5–95 % range (at least 1), and an entropy bonus. The
world model is not changed. Choices that the model thinks forbidden are not dreamt of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from agent.core.rollout import Rollout
from agent.learning.configs import DreamConfig
from agent.learning.dreamer.laprop import LaProp
from agent.learning.dreamer.recorded import Recorded
from agent.learning.dreamer.world_model import Posterior, WorldModelLearner, rollout_sequences
from agent.learning.tensors import module_tensors, take_up
from agent.models.distributions import two_hot_loss, two_hot_mean
from agent.models.dreamer import Actor, ActorCritic, ActorOutput, Choice, entropy, log_prob
from agent.models.rssm import Latent, WorldModel


def lambda_returns(
    rewards: Float[Tensor, "B T"],
    live: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    lam: float,
    last: Float[Tensor, "B T"],
) -> Float[Tensor, "B T"]:
    """R_t = r_{t+1} + live_{t+1}·((1−λ_{t+1})·v_{t+1} + λ_{t+1}·R_{t+1}), R after the end = v; arrays hold t+1 at t.

    `live` is discount × continuation; λ is `lam`, and 0 where `last` is 1 and cuts the sequence.
    """
    after, out = values[:, -1], []
    for t in reversed(range(rewards.shape[1])):
        share = lam * (1.0 - last[:, t])
        after = rewards[:, t] + live[:, t] * ((1.0 - share) * values[:, t] + share * after)
        out.append(after)
    return torch.stack(out[::-1], 1)


def shuffled_together(
    a: Float[Tensor, "*S"], b: Float[Tensor, "*S"]
) -> tuple[Float[Tensor, "*S"], Float[Tensor, "*S"]]:
    """Both with their places exchanged at random, in the same way: what belonged together does so still."""
    order = torch.randperm(a.numel(), device=a.device)
    return a.flatten()[order].view_as(a), b.flatten()[order].view_as(b)


class Dream(NamedTuple):
    """An imagined future of H steps: features, the actions taken at the first H, their masks, what arrived at each."""

    features: Float[Tensor, "B H+1 F"]
    u: Float[Tensor, "B H C"]
    picks: Int64[Tensor, "B H K"]
    allowed: Bool[Tensor, "B H M"] | None
    rewards: Float[Tensor, "B H+1"]
    proceed: Float[Tensor, "B H+1"]


@torch.no_grad()
def imagine(model: WorldModel, actor: Actor, start: Latent, horizon: int, noise: float = 0.0) -> Dream:
    """Act in the model: the action of step t is taken at features[:, t] and leads to features[:, t+1]."""
    features, us, indices, masks = [start.features()], [], [], []
    state = start
    for _ in range(horizon):
        allowed = model.allowed(features[-1]) > 0 if model.allowed is not None else None
        choice = actor.sample(actor(features[-1], allowed), noise)
        state = model.rssm.imagine_step(state, choice.written_out(actor.spec))
        features.append(state.features())
        us.append(choice.u)
        indices.append(choice.picks)
        masks.append(allowed)
    seen = torch.stack(features, 1)
    allowed = torch.stack([m for m in masks if m is not None], 1) if model.allowed is not None else None
    rewards = two_hot_mean(model.reward(seen), model.bins)
    proceed = torch.sigmoid(model.proceed(seen).squeeze(-1))
    return Dream(seen, torch.stack(us, 1), torch.stack(indices, 1), allowed, rewards, proceed)


class Targets(NamedTuple):
    """What the actor would do at each step of a rollout, for distillation; the logits of all branches side by side."""

    mean: Float[Tensor, "*T C"]
    log_std: Float[Tensor, "*T C"]
    logits: Float[Tensor, "*T M"]


class DreamLearner:
    """Actor and critic over a world model; `update` dreams once from each batch that the model just learned from."""

    name = "dream"

    def __init__(self, world: WorldModelLearner, config: DreamConfig) -> None:
        self.world, self.config = world, config
        sizes = world.sizes
        self.policy = ActorCritic(sizes.features, world.spec, config.units, config.layers, sizes.bins).to(world.device)
        self.optimiser = LaProp(self.policy.named_parameters(), config.lr, clip=config.clip, warm_up=config.warm_up)
        self._report: dict[str, float] = {}
        self._points = torch.tensor([0.05, 0.95], device=world.device)
        self._metrics: tuple[str, ...] = ()
        self._gradients = Recorded(self._work, world.place, [self.policy.range])

    @property
    def actor(self) -> Actor:
        """The policy."""
        return self.policy.actor

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Dream from the states that the world model inferred in its last update; call that first."""
        done = []
        while self.world.posteriors:
            done.append(self.train_step(self.world.posteriors.popleft()))
        for key in done[0] if done else ():
            self._report[key] = float(torch.stack([d[key] for d in done]).mean())
        return self._report | {"dream_steps": float(len(done))}

    def train_step(self, seen: Posterior) -> dict[str, Tensor]:
        """One step of actor and critic from the states of one batch."""
        config, policy = self.config, self.policy
        start = Latent(seen.latent.deter.flatten(0, 1), seen.latent.stoch.flatten(0, 1))
        dead = seen.is_terminal.flatten()
        if 0 < config.starts < len(dead):
            chosen = torch.randperm(len(dead), device=dead.device)[: config.starts]
            start, dead = Latent(start.deter[chosen], start.stoch[chosen]), dead[chosen]
        metrics, *gradients = self._gradients((*start, dead, *seen.latent, *seen[1:]))
        self.optimiser.step(gradients)
        with torch.no_grad():
            for fast, late in zip(policy.critic.parameters(), policy.slow.parameters(), strict=True):
                late.lerp_(fast, config.slow_rate)
            policy.dreamt += 1
        return dict(zip(self._metrics, metrics.unbind(), strict=True))

    def _work(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """(figures, gradients …) of (deter, stoch, dead) where dreams start and of the parts of a `Posterior`."""
        deter, stoch, dead, *seen = inputs
        loss, metrics = self._loss(Latent(deter, stoch), dead, Posterior(Latent(*seen[:2]), *seen[2:]))
        self._metrics = tuple(f"dream_{name}" for name in metrics)
        return [torch.stack([f.detach() for f in metrics.values()]), *self.optimiser.gradients(loss)]

    def _loss(
        self, start: Latent, dead: Bool[Tensor, " B"], seen: Posterior
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        config, policy = self.config, self.policy
        dream = imagine(self.world.model, policy.actor, start, config.horizon, config.action_noise)
        dream = self._controlled(dream, dead)
        values, slow = self._values(dream.features)
        live = config.gamma * dream.proceed
        none = torch.zeros_like(live[:, 1:])
        returns = lambda_returns(dream.rewards[:, 1:], live[:, 1:], values[:, 1:], config.lam, none)
        weight = torch.cumprod(live[:, :-1], 1) / config.gamma
        low, high = self._range(returns)
        advantage = (returns - values[:, :-1]) / (high - low).clamp_min(1.0)
        out, choice = self._policy_of(dream)
        bonus = entropy(out).view_as(weight)
        score = log_prob(out, choice).view_as(weight)
        actor_loss = -(weight * (score * advantage + config.entropy * bonus)).mean()
        logits = policy.critic(dream.features[:, :-1])
        critic_loss = (weight * self._critic_loss(logits, returns, slow[:, :-1])).mean()
        replay_loss = self._replay_loss(seen)
        metrics = {"actor_loss": actor_loss, "critic_loss": critic_loss, "replay_value_loss": replay_loss}
        metrics |= {"return": returns.mean(), "reward": dream.rewards[:, 1:].mean(), "entropy": bonus.mean()}
        metrics |= {"value": values.mean(), "continue": dream.proceed.mean(), "return_range": high - low}
        return actor_loss + critic_loss + config.replay_value_weight * replay_loss, metrics

    def _controlled(self, dream: Dream, dead: Bool[Tensor, " B"]) -> Dream:
        """The dream with what is known of its start, and with the controls that the configuration asks for."""
        rewards, proceed = dream.rewards, dream.proceed.clone()
        proceed[:, 0] = (~dead).float()
        if not self.config.use_proceed:
            proceed = torch.ones_like(proceed)
        if self.config.shuffle_rewards:
            arrived = shuffled_together(rewards[:, 1:], proceed[:, 1:])
            rewards, proceed = (
                torch.cat([x[:, :1], y], 1) for x, y in zip((rewards, proceed), arrived, strict=True)
            )  # fmt: skip
        return dream._replace(rewards=rewards, proceed=proceed)

    @torch.no_grad()
    def _values(self, features: Float[Tensor, "*B F"]) -> tuple[Float[Tensor, "*B"], Float[Tensor, "*B"]]:
        bins = self.world.model.bins
        return two_hot_mean(self.policy.critic(features), bins), two_hot_mean(self.policy.slow(features), bins)

    @torch.no_grad()
    def _range(self, returns: Float[Tensor, "B T"]) -> Float[Tensor, " 2"]:
        """The running 5 % and 95 % points of returns."""
        points = torch.quantile(returns.flatten(), self._points)
        return self.policy.range.lerp_(points, self.config.range_rate).clone()

    def _policy_of(self, dream: Dream) -> tuple[ActorOutput, Choice]:
        """The policy at the dream's states with gradients, and the actions that were taken, both flat."""
        allowed = dream.allowed.flatten(0, 1) if dream.allowed is not None else None
        out = self.policy.actor(dream.features[:, :-1].flatten(0, 1), allowed)
        return out, Choice(dream.u.flatten(0, 1), dream.picks.flatten(0, 1))

    def _critic_loss(
        self, logits: Float[Tensor, "*B K"], returns: Float[Tensor, "*B"], slow: Float[Tensor, "*B"]
    ) -> Float[Tensor, "*B"]:
        bins = self.world.model.bins
        return two_hot_loss(logits, returns, bins) + self.config.slow_weight * two_hot_loss(logits, slow, bins)

    def _replay_loss(self, seen: Posterior) -> Float[Tensor, ""]:
        """The critic on what really happened; a row whose successor begins another episode does not count."""
        features = seen.latent.features()
        values, slow = self._values(features)
        ends = torch.cat([seen.is_first[:, 1:], torch.zeros_like(seen.is_first[:, :1])], 1).float()
        proceed = (~seen.is_terminal[:, 1:]).float() if self.config.use_proceed else torch.ones_like(values[:, 1:])
        rewards = seen.rewards[:, 1:]
        if self.config.shuffle_rewards:
            rewards, proceed = shuffled_together(rewards, proceed)
        returns = lambda_returns(rewards, self.config.gamma * proceed, values[:, 1:], self.config.lam, ends[:, 1:])
        loss = self._critic_loss(self.policy.critic(features[:, :-1]), returns, slow[:, :-1])
        return ((1.0 - ends[:, :-1]) * loss).mean()

    @torch.no_grad()
    def targets(self, rollout: Rollout) -> Targets:
        """What the actor would do at each step of a rollout, from the recurrent posterior; for distillation."""
        data, place = rollout_sequences(self.world.model, rollout, self.world.spec, self.world.device)
        seen = self.world.model.observe(data.before, data.obs, data.actions, data.is_first)
        features = seen.latent.features()[0, place]
        allowed = data.masks[0, place] if self.world.model.allowed is not None else None
        out = self.policy.actor(features, allowed)
        logits = torch.cat(out.log_p, -1) if out.log_p else features.new_zeros(len(features), 0)
        return Targets(out.mean.cpu(), out.log_std.cpu(), logits.cpu())

    def tensors(self) -> dict[str, Tensor]:
        """Actor, critics, range and moments; the world model is its own learner's."""
        return module_tensors(self.policy, "policy.") | self.optimiser.tensors("optimiser.")

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        take_up(self.tensors(), tensors)
