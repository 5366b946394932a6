"""Learning a world model from rollouts and replay.

Loss, as in DreamerV3 (Hafner et al., Nature 2025): squared error of the reconstructed observation, two-hot reward,
Bernoulli continuation, allowed choices where choices can be forbidden, and KL in two parts: the prior learns from the
posterior (weight 1) and the posterior from the prior (weight 0.1), each free below `free_nats`. A truncated episode is
no death: only `terminated` lowers the continuation. Nothing arrived with an episode's first observation, so its reward
is not learned: a reward of 0 there would tell the model where episodes begin anew, which is what continuation is for.
Owns no actor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from agent.core.rollout import ActionSpec, IntArray, Rollout
from agent.learning.configs import WorldModelConfig
from agent.learning.dreamer.laprop import LaProp
from agent.learning.dreamer.recorded import ON_CPU, Place, Recorded
from agent.learning.dreamer.replay import Batch, Replay, Rows, to_rows
from agent.learning.tensors import module_tensors, take_up
from agent.models.distributions import categorical_kl, two_hot_loss
from agent.models.rssm import Latent, Observed, WorldModel
from agent.models.sizes import WorldSizes

OPEN_LOOP = (1, 5, 15)
MEASURED = 512


class ReplaySequences(NamedTuple):
    """A batch as tensors; obs are normalised."""

    obs: Float[Tensor, "B T O"]
    actions: Float[Tensor, "B T A"]
    rewards: Float[Tensor, "B T"]
    is_first: Bool[Tensor, "B T"]
    is_last: Bool[Tensor, "B T"]
    is_terminal: Bool[Tensor, "B T"]
    masks: Bool[Tensor, "B T M"]
    before: Latent


class Posterior(NamedTuple):
    """States that a training step has just inferred, where dreams start, and what arrived there."""

    latent: Latent
    rewards: Float[Tensor, "B T"]
    is_first: Bool[Tensor, "B T"]
    is_terminal: Bool[Tensor, "B T"]


def to_sequences(model: WorldModel, batch: Batch, device: torch.device) -> ReplaySequences:
    """A batch from replay, on the device, with normalised observations."""
    columns = [torch.from_numpy(a).to(device) for a in batch.rows]
    before = Latent(torch.from_numpy(batch.deter).to(device), torch.from_numpy(batch.stoch).to(device))
    obs, actions, rewards, is_first, is_last, is_terminal, masks = columns
    return ReplaySequences(model.normalised(obs), actions, rewards, is_first, is_last, is_terminal, masks, before)


def rollout_sequences(
    model: WorldModel, rollout: Rollout, spec: ActionSpec, device: torch.device
) -> tuple[ReplaySequences, Int64[Tensor, " N"]]:
    """A rollout as one sequence from a blank state, and the row of it that each step's observation is in."""
    rows = to_rows(rollout, spec, None)
    return rows_as_sequence(model, rows, device), torch.from_numpy(np.flatnonzero(~rows.is_last)).to(device)


def balanced_kl(
    seen: Observed, free_nats: float
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """(for the prior, for the posterior, the divergence itself), summed over the groups of the latent."""
    divergence = categorical_kl(seen.posterior, seen.prior).sum(-1)
    prior = categorical_kl(seen.posterior.detach(), seen.prior).sum(-1)
    posterior = categorical_kl(seen.posterior, seen.prior.detach()).sum(-1)
    return prior.clamp_min(free_nats), posterior.clamp_min(free_nats), divergence.detach()


def world_loss(
    model: WorldModel, data: ReplaySequences, config: WorldModelConfig
) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]], Observed]:
    """The loss of a batch, its parts, and the states."""
    seen = model.observe(data.before, data.obs, data.actions, data.is_first)
    features = seen.latent.features()
    recon = (model.decoder(features) - data.obs).square().sum(-1).mean()
    counts = (~data.is_first).float()
    reward = two_hot_loss(model.reward(features), data.rewards, model.bins)
    reward = (reward * counts).sum() / counts.sum().clamp_min(1.0)
    proceed = F.binary_cross_entropy_with_logits(model.proceed(features).squeeze(-1), (~data.is_terminal).float())
    for_prior, for_posterior, divergence = balanced_kl(seen, config.free_nats)
    kl = config.dyn_weight * for_prior.mean() + config.rep_weight * for_posterior.mean()
    loss = recon + reward + config.proceed_weight * proceed + kl
    parts = {"wm_recon": recon, "wm_reward": reward, "wm_continue": proceed, "wm_kl": divergence.mean()}
    if model.allowed is not None:
        parts["wm_masks"] = F.binary_cross_entropy_with_logits(model.allowed(features), data.masks.float())
        loss = loss + parts["wm_masks"]
    return loss, {**parts, "wm_loss": loss}, seen


@torch.no_grad()
def open_loop(
    model: WorldModel, data: ReplaySequences, starts: Int64[Tensor, " N"], samples: int, steps: int
) -> tuple[Float[Tensor, "N {steps} O"], Float[Tensor, "N {steps} O"]]:
    """Squared errors of the model's mean over `samples` futures, and of persistence.

    data is one sequence [1, T, …] that begins with an episode; each future starts from the posterior at a row of
    `starts` and follows the actions that were taken.
    """
    seen = model.observe(data.before, data.obs, data.actions, data.is_first)
    state = Latent(*(x[0, starts].repeat_interleave(samples, 0) for x in seen.latent))
    told, truth = [], []
    for t in range(1, steps + 1):
        state = model.rssm.imagine_step(state, data.actions[0, starts + t].repeat_interleave(samples, 0))
        told.append(model.decoder(state.features()).view(-1, samples, data.obs.shape[-1]).mean(1))
        truth.append(data.obs[0, starts + t])
    real = torch.stack(truth, 1)
    last = data.obs[0, starts].unsqueeze(1)
    return (torch.stack(told, 1) - real).square(), (last - real).square()


def whole_starts(rows: Rows, context: int, steps: int, maximum: int) -> IntArray:
    """Up to `maximum` rows, spread over `rows`, with `context` rows of their episode up to them and `steps` after."""
    count = len(rows.obs)
    episode = np.cumsum(rows.is_first)
    index = np.arange(max(0, count - steps))
    begun = np.maximum.accumulate(np.where(rows.is_first, np.arange(count), 0))
    fits = (episode[index] == episode[index + steps]) & (index - begun[index] >= context - 1) & (episode[index] > 0)
    index = index[fits]
    chosen = np.linspace(0, len(index) - 1, min(maximum, len(index))).astype(np.int64)
    spread: IntArray = index[chosen] if len(index) else index
    return spread


def rows_as_sequence(model: WorldModel, rows: Rows, device: torch.device) -> ReplaySequences:
    """Rows as one sequence from a blank state."""
    sizes = model.sizes
    before = np.zeros((1, sizes.deter), np.float32), np.zeros((1, sizes.stoch, sizes.classes), np.float32)
    return to_sequences(model, Batch(rows.at((None,)), np.zeros((1, len(rows.obs)), np.int64), *before), device)


class WorldModelLearner:
    """A model, its replay and its optimiser. `update` measures the model on what is new, then learns."""

    name = "world_model"

    def __init__(
        self,
        sizes: WorldSizes,
        spec: ActionSpec,
        config: WorldModelConfig,
        place: Place = ON_CPU,
    ) -> None:
        if sizes.action != spec.width:
            raise ValueError(f"the model takes {sizes.action} numbers of an action that has {spec.width}")
        self.sizes, self.spec, self.config = sizes, spec, config
        self.place, self.device = place, place.device
        self.model = WorldModel(sizes).to(self.device)
        self.optimiser = LaProp(self.model.named_parameters(), config.lr, clip=config.clip, warm_up=config.warm_up)
        self.replay = Replay(
            sizes.obs, spec, sizes.deter, sizes.stoch, sizes.classes, capacity=config.capacity, seed=config.seed
        )
        self.posteriors: deque[Posterior] = deque(maxlen=config.steps_per_update)
        self._report: dict[str, float] = {}
        self._parts: tuple[str, ...] = ()
        self._gradients = Recorded(self._work, place)

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Push a rollout, measure on it, and make the configured number of steps from replay."""
        rows = self.push(rollout)
        self._report |= self.measure(rows)
        parts = [self.train_step() for _ in range(self.config.steps_per_update)]
        done = [p for p in parts if p]
        for key in done[0] if done else ():
            self._report[key] = float(torch.stack([p[key] for p in done]).mean())
        return self._report | {"wm_steps": float(len(done)), "wm_replay": float(len(self.replay))}

    def push(self, rollout: Rollout) -> Rows:
        """Keep a rollout; its rows in the model's order. The running normaliser takes it in."""
        rows = self.replay.push(rollout, self.config.length)
        self.model.norm.update(torch.from_numpy(rollout.obs).to(self.device))
        return rows

    def train_step(self) -> dict[str, Tensor]:
        """One gradient step on a batch of replay; {} while replay is shorter than a sequence."""
        config = self.config
        batch = self.replay.sample(config.batch, config.length)
        if batch is None:
            return {}
        data = to_sequences(self.model, batch, self.device)
        deter, stoch, losses, *gradients = self._gradients((*data[:-1], *data.before))
        self.optimiser.step(gradients)
        self.posteriors.append(Posterior(Latent(deter, stoch), data.rewards, data.is_first, data.is_terminal))
        index = stoch.argmax(-1).to(torch.int16)
        self.replay.store(batch.serials, deter.cpu().numpy(), index.cpu().numpy())
        return dict(zip(self._parts, losses.unbind(), strict=True))

    def _work(self, inputs: Iterable[Tensor]) -> list[Tensor]:
        """(deter, stoch, losses, gradients …) of the tensors of a batch, the state before it last."""
        obs, actions, rewards, is_first, is_last, is_terminal, masks, deter, stoch = inputs
        before = Latent(deter, stoch)
        data = ReplaySequences(obs, actions, rewards, is_first, is_last, is_terminal, masks, before)
        loss, parts, seen = world_loss(self.model, data, self.config)
        self._parts = tuple(parts)
        losses = torch.stack([part.detach() for part in parts.values()])
        return [*seen.latent.detach(), losses, *self.optimiser.gradients(loss)]

    def measure(self, rows: Rows) -> dict[str, float]:
        """Open-loop error of the model on rows that it was not trained on, and persistence's, over their variance.

        From the posterior of episodes that begin in the rows; where none does, from a blank state and a longer look.
        """
        steps, rows = max(OPEN_LOOP), rows.at(np.arange(min(len(rows.obs), MEASURED)))
        index = whole_starts(rows, self.config.context, steps, 32)
        if not len(index):
            rows.is_first[0] = True
            index = whole_starts(rows, 4 * self.config.context, steps, 32)
        if not len(index):
            return {}
        starts = torch.from_numpy(index).to(self.device)
        data = rows_as_sequence(self.model, rows, self.device)
        errors = open_loop(self.model, data, starts, self.config.samples, steps)
        variance = data.obs.flatten(0, 1).var(0, unbiased=False).sum().clamp_min(1e-6)
        report = {}
        for t in OPEN_LOOP:
            for name, error in zip(("wm_open_loop", "wm_persistence"), errors, strict=True):
                report[f"{name}_{t}"] = float(error[:, t - 1].sum(-1).mean() / variance)
        return report

    def tensors(self) -> dict[str, Tensor]:
        """The model and the optimiser's moments; replay is not part of it."""
        return module_tensors(self.model, "model.") | self.optimiser.tensors("optimiser.")

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        take_up(self.tensors(), tensors)
