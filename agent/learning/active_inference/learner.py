"""Learning what choices lead to, and choosing by expected free energy.

A choice is a step at which a branch of the action had more than one option (a card, a chest, a menu); see
`core.choices`. The model learns outcomes from episodes of choices, and is measured on some that are held back. A model
that predicts those better than the one in play is offered to it; `control.cards.chooser` chooses there, without torch.
A habit learns to imitate the planner, and its distance from it is `efe_policy_loss`. Preferences are never trained.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from agent.core.choices import ChoiceLayout, Choices
from agent.core.rollout import BoolArray, IntArray, Rollout
from agent.core.types import FloatArray
from agent.learning.active_inference.choice_batch import ChoiceBatch, beliefs, padded
from agent.learning.active_inference.choices import ChoiceStream, Key, Pool
from agent.learning.active_inference.free_energy import FreeEnergy, free_energy
from agent.learning.active_inference.outcome_trial import OutcomeTrial, Tried
from agent.learning.adam import Adam
from agent.learning.configs import ActiveInferenceConfig
from agent.learning.tensors import load_adam, module_tensors, moment_tensors, take_up
from agent.models.outcome_model import OutcomeModel
from agent.models.sizes import OutcomeSizes

MOMENTS: Final = "optimiser.{moment}.{name}"


class ActiveInferenceLearner:
    """A model of outcomes, its episodes, and the chooser that plans with it."""

    name = "active_inference"

    def __init__(
        self,
        sizes: OutcomeSizes,
        config: ActiveInferenceConfig,
        layout: ChoiceLayout | None = None,
        branches: tuple[int, ...] = (),
        device: torch.device | None = None,
    ) -> None:
        if len(config.preferences.liking) != sizes.outcomes:
            raise ValueError(f"{len(config.preferences.liking)} preferences for {sizes.outcomes} outcomes")
        self.sizes, self.config, self.layout, self.branches = sizes, config, layout, branches
        self.device = device or torch.device("cpu")
        self.model = OutcomeModel(sizes).to(self.device)
        self.optimiser = Adam(self.model.parameters(), config.lr, weight_decay=config.weight_decay)
        self.pool = Pool(config.episodes, config.hold_out)
        self.trial = OutcomeTrial(self.model)
        self._stream = ChoiceStream(branches, layout) if layout is not None else None
        self._served: OutcomeModel | None = None
        self._given = 0
        self._random = np.random.default_rng(config.seed)
        self._report: dict[str, float] = {}

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Take the choices out of a rollout and learn; before the first choice there is nothing to report but that."""
        if self._stream is None:
            raise ValueError("a learner without a ChoiceLayout cannot find the choices of a rollout")
        before = self._stream.choices_total
        report = self._learn(self._stream.add(rollout))
        return report | {"efe_choices": float(self._stream.choices_total - before)}

    def learn(self, episodes: list[Choices]) -> dict[str, float]:
        """Keep whole episodes of choices, make the configured number of steps, and report their means."""
        keys: list[Key] = [("", self._given + k) for k in range(len(episodes))]
        self._given += len(episodes)
        return self._learn(dict(zip(keys, episodes, strict=True)))

    def _learn(self, episodes: dict[Key, Choices]) -> dict[str, float]:
        self.pool.put(episodes)
        learned = self.pool.learned
        enough = bool(learned) and sum(len(e.picks) for e in learned.values()) >= self.config.min_choices
        parts = [self.train_step() for _ in range(self.config.steps_per_update if enough else 0)]
        for key in parts[0] if parts else ():
            self._report[key] = float(torch.stack([p[key] for p in parts]).mean())
        if self.pool.held:
            self._report |= self.tried().as_report()
        return self._report | {"efe_steps": float(len(parts)), "efe_episodes": float(len(learned))}

    def tried(self) -> Tried:
        """The model on the episodes that were held back."""
        return self.trial.of(list(self.pool.held.values()), list(self.pool.learned.values()))

    def serve(self, tensors: dict[str, Tensor]) -> None:
        """The model that chooses in play: what has learned nothing yet goes on from it; a better one is offered."""
        served = OutcomeModel(self.sizes).to(self.device)
        take_up(served.state_dict(), tensors)
        self._served = served
        if not self.optimiser.state:
            self.model.load_state_dict(served.state_dict())

    def offer(self) -> tuple[Tried, dict[str, Tensor]] | None:
        """The model with its trial, where it has become better than the one that was offered before; else None.

        It must foretell held-out outcomes better than their frequencies do, and better than without being told which
        option was taken.
        """
        held = list(self.pool.held.values())
        if sum(len(e.picks) for e in held) < self.config.min_held:
            return None
        tried = self.tried()
        if not tried.loss < min(tried.frequencies, tried.any_option):
            return None
        if self._served is not None and not tried.loss < self._loss_of(self._served, held):
            return None
        self._served = deepcopy(self.model)
        return tried, {name: t.clone() for name, t in self._served.state_dict().items()}

    def _loss_of(self, model: OutcomeModel, held: list[Choices]) -> float:
        return OutcomeTrial(model).of(held, list(self.pool.learned.values())).loss

    def _sample(self) -> ChoiceBatch:
        episodes = list(self.pool.learned.values())
        picked = [episodes[i] for i in self._random.integers(0, len(episodes), self.config.batch)]
        return padded(picked, self.config.max_length, self.device)

    def train_step(self) -> dict[str, Tensor]:
        """One step on outcomes, ends and habit."""
        batch, config = self._sample(), self.config
        belief, taken = beliefs(self.model, batch)
        valid = batch.valid.flatten()
        flat = belief.flatten(0, 1)[valid]
        context = batch.context.flatten(0, 1)[valid]
        outcomes, ended = batch.outcomes.flatten()[valid], batch.ended.flatten()[valid].float()
        told, ends = self.model.predict(flat, taken.flatten(0, 1)[valid], context)
        loss = -told.gather(-1, outcomes.expand(len(told), -1).unsqueeze(-1)).squeeze(-1)
        share = (torch.rand_like(loss) < config.bootstrap).float()
        outcome_loss = (loss * share).sum() / share.sum().clamp_min(1.0)
        end_loss = F.binary_cross_entropy_with_logits(ends.gather(-1, outcomes.unsqueeze(-1)).squeeze(-1), ended)
        options, allowed = batch.options.flatten(0, 1)[valid], batch.allowed.flatten(0, 1)[valid]
        some = torch.randperm(len(flat), device=flat.device)[: config.habit_batch]
        plan = free_energy(
            self.model, flat[some].detach(), options[some], allowed[some], context[some], config.preferences
        )
        target = torch.softmax(-plan.energy / config.habit_temperature, -1)
        habit = self.model.habits(flat[some].detach(), options[some], context[some])
        habit = torch.log_softmax(habit.masked_fill(~allowed[some], -1e9), -1)
        policy_loss = (target * (target.clamp_min(1e-12).log() - habit)).sum(-1).mean()
        self.optimiser.zero_grad()
        torch.autograd.backward(outcome_loss + end_loss + policy_loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimiser.step()
        best = plan.energy.argmin(-1, keepdim=True)
        parts = {"risk": plan.risk, "ambiguity": plan.ambiguity, "information_gain": plan.gain}
        parts |= {"disagreement": plan.novelty, "utility": plan.utility}
        report = {f"efe_{name}": part.gather(-1, best).mean() for name, part in parts.items()}
        report |= {"efe_outcome_loss": outcome_loss.detach(), "efe_end_loss": end_loss.detach()}
        return report | {"efe_policy_loss": policy_loss.detach()}

    def choose(
        self, belief: Float[Tensor, "B H"], options: FloatArray, allowed: BoolArray, context: FloatArray
    ) -> tuple[NDArray[np.int64], FreeEnergy]:
        """The option of least G for each game; options f32 [B, K, A], allowed bool [B, K], context f32 [B, C]."""
        arrays = [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in (options, allowed, context)]
        plan = free_energy(self.model, belief, arrays[0], arrays[1], arrays[2], self.config.preferences)
        return plan.energy.argmin(-1).cpu().numpy(), plan

    @torch.no_grad()
    def after(
        self, belief: Float[Tensor, "B H"], option: FloatArray, outcome: IntArray, context: FloatArray
    ) -> Float[Tensor, "B H"]:
        """The belief after the outcome of a choice is known."""
        hot = F.one_hot(torch.from_numpy(outcome), self.sizes.outcomes).float()
        option_, context_ = (torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in (option, context))
        return self.model.step(belief, option_, hot.to(self.device), context_)

    def tensors(self) -> dict[str, Tensor]:
        """The model and the optimiser's moments, which a parameter has after its first step."""
        own = module_tensors(self.model, "model.")
        return own | moment_tensors(MOMENTS, list(self.model.named_parameters()), self.optimiser.state)

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        take_up(module_tensors(self.model, "model."), {n: t for n, t in tensors.items() if n.startswith("model.")})
        load_adam(MOMENTS, list(self.model.named_parameters()), self.optimiser, tensors)
