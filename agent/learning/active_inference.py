"""Learning what choices lead to, and choosing by expected free energy.

A choice is a step at which a branch of the action had more than one option (a card, a chest, a menu). Its outcome is
the sum of rewards over the steps after it, as a bin between edges that the user fixes, with preferences over the bins.
The model learns outcomes from episodes of choices; a habit learns to imitate the planner, and its distance from it is
`efe_policy_loss`. Preferences are never trained.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from agent.core.errors import WeightsError
from agent.core.rollout import BoolArray, IntArray, Rollout
from agent.core.types import FloatArray
from agent.learning.free_energy import FreeEnergy, Preferences, free_energy
from agent.learning.tensors import module_tensors, take_up
from agent.models.outcome_model import OutcomeModel, OutcomeSizes


class ChoiceLayout(msgspec.Struct, frozen=True):
    """Where a rollout holds its choices.

    branch: which branch of the action; `options` of them. option_start: where the options' features lie in obs, one
    after the other, `option_features` each; −1: an option is its index, one-hot. context: slice of obs that describes
    the situation. window: steps whose rewards are a choice's outcome; edges: between the bins, ascending.
    """

    branch: int
    options: int
    option_start: int = -1
    option_features: int = 0
    context: tuple[int, int] = (0, 0)
    window: int = 64
    edges: tuple[float, ...] = (-1.0, 0.0, 1.0, 3.0)

    @property
    def option_width(self) -> int:
        """Features of one option."""
        return self.option_features if self.option_start >= 0 else self.options


class ActiveInferenceConfig(msgspec.Struct, frozen=True):
    """How outcomes are learnt, and what is wanted of them."""

    preferences: Preferences
    lr: float = 5e-3
    batch: int = 256
    longest: int = 32
    steps_per_update: int = 8
    episodes: int = 5000
    habit_temperature: float = 0.1
    habit_batch: int = 8
    bootstrap: float = 0.8
    seed: int = 0


class Choices(NamedTuple):
    """An episode's choices in order: options f32 [T, K, A], allowed bool [T, K], picks and outcomes i64 [T], ended
    bool [T] (the episode ended with the outcome), context f32 [T, C].
    """

    options: FloatArray
    allowed: BoolArray
    picks: IntArray
    outcomes: IntArray
    ended: BoolArray
    context: FloatArray


def options_at(obs: FloatArray, layout: ChoiceLayout) -> FloatArray:
    """Features of the options at each observation, f32 [T, K, A]."""
    if layout.option_start < 0:
        return np.broadcast_to(np.eye(layout.options, dtype=np.float32), (len(obs), layout.options, layout.options))
    stop = layout.option_start + layout.options * layout.option_features
    return obs[:, layout.option_start : stop].reshape(len(obs), layout.options, layout.option_features)


def choices_of(rollout: Rollout, branches: tuple[int, ...], layout: ChoiceLayout) -> list[Choices]:
    """The choices of each episode's part in a rollout whose outcomes are all known."""
    first = sum(branches[: layout.branch])
    masks = rollout.action_masks
    allowed = (
        masks[:, first : first + layout.options]
        if masks is not None
        else np.ones((len(rollout), layout.options), np.bool_)
    )
    episodes, begin = [], 0
    for end in np.flatnonzero(rollout.is_cut) + 1:
        total = np.concatenate([[0.0], np.cumsum(rollout.rewards[begin:end], dtype=np.float64)])
        over = bool(rollout.is_last[end - 1])
        at = np.flatnonzero(allowed[begin:end].sum(1) > 1)
        until = at + layout.window
        at = at[(until <= end - begin) | over]
        until = np.minimum(at + layout.window, end - begin)
        if len(at):
            rows = begin + at
            outcome = np.searchsorted(np.array(layout.edges), total[until] - total[at], side="right")
            ended = (until == end - begin) & bool(rollout.terminated[end - 1])
            low, high = layout.context
            episodes.append(
                Choices(
                    options_at(rollout.obs[rows], layout),
                    allowed[rows],
                    rollout.actions_disc[rows, layout.branch],
                    outcome.astype(np.int64),
                    ended,
                    rollout.obs[rows, low:high],
                )  # fmt: skip
            )
        begin = int(end)
    return episodes


class _Batch(NamedTuple):
    """Episodes side by side, padded; valid bool [B, T]."""

    options: Tensor
    allowed: Tensor
    picks: Tensor
    outcomes: Tensor
    ended: Tensor
    context: Tensor
    valid: Tensor


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
        self.optimiser = torch.optim.Adam(self.model.parameters(), config.lr)
        self.episodes: deque[Choices] = deque(maxlen=config.episodes)
        self._random = np.random.default_rng(config.seed)
        self._report: dict[str, float] = {}

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Take the choices out of a rollout and learn; before the first choice there is nothing to report but that."""
        if self.layout is None:
            raise ValueError("a learner without a ChoiceLayout cannot find the choices of a rollout")
        found = choices_of(rollout, self.branches, self.layout)
        return self.learn(found) | {"efe_choices": float(sum(len(e.picks) for e in found))}

    def learn(self, episodes: list[Choices]) -> dict[str, float]:
        """Keep episodes of choices, make the configured number of steps, and report their means."""
        self.episodes.extend(episodes)
        steps = self.config.steps_per_update if self.episodes else 0
        parts = [self.train_step() for _ in range(steps)]
        for key in parts[0] if parts else ():
            self._report[key] = float(torch.stack([p[key] for p in parts]).mean())
        return self._report | {"efe_steps": float(len(parts)), "efe_episodes": float(len(self.episodes))}

    def _sample(self) -> _Batch:
        picked = [self.episodes[i] for i in self._random.integers(0, len(self.episodes), self.config.batch)]
        length = min(self.config.longest, max(len(e.picks) for e in picked))
        columns: list[Tensor] = []
        for field in range(len(Choices._fields)):
            parts = [np.asarray(e[field])[:length] for e in picked]
            padded = np.zeros((len(parts), length, *parts[0].shape[1:]), parts[0].dtype)
            for row, part in zip(padded, parts, strict=True):
                row[: len(part)] = part
            columns.append(torch.from_numpy(padded).to(self.device))
        lengths = torch.tensor([min(length, len(e.picks)) for e in picked], device=self.device)
        options, allowed, picks, outcomes, ended, context = columns
        valid = torch.arange(length, device=self.device) < lengths.unsqueeze(1)
        return _Batch(options, allowed, picks, outcomes, ended, context, valid)

    def beliefs(self, batch: _Batch) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T A"]]:
        """The belief before each choice, and the option that was taken."""
        taken = batch.options.gather(
            2, batch.picks[:, :, None, None].expand(-1, -1, 1, batch.options.shape[-1])
        ).squeeze(2)
        outcome = F.one_hot(batch.outcomes, self.sizes.outcomes).float()
        belief, beliefs = self.model.initial(len(taken)), []
        for t in range(taken.shape[1]):
            beliefs.append(belief)
            belief = self.model.step(belief, taken[:, t], outcome[:, t], batch.context[:, t])
        return torch.stack(beliefs, 1), taken

    def train_step(self) -> dict[str, Tensor]:
        """One step on outcomes, ends and habit."""
        batch, config = self._sample(), self.config
        belief, taken = self.beliefs(batch)
        valid = batch.valid.flatten()
        flat = belief.flatten(0, 1)[valid]
        context = batch.context.flatten(0, 1)[valid]
        outcomes, ended = batch.outcomes.flatten()[valid], batch.ended.flatten()[valid].float()
        told, ends = self.model.foretell(flat, taken.flatten(0, 1)[valid], context)
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
        self, belief: Tensor, options: FloatArray, allowed: BoolArray, context: FloatArray
    ) -> tuple[NDArray[np.int64], FreeEnergy]:
        """The option of least G for each game; options f32 [B, K, A], allowed bool [B, K], context f32 [B, C]."""
        arrays = [torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in (options, allowed, context)]
        plan = free_energy(self.model, belief, arrays[0], arrays[1], arrays[2], self.config.preferences)
        return plan.energy.argmin(-1).cpu().numpy(), plan

    @torch.no_grad()
    def after(self, belief: Tensor, option: FloatArray, outcome: IntArray, context: FloatArray) -> Tensor:
        """The belief [B, H] after the outcome of a choice is known."""
        hot = F.one_hot(torch.from_numpy(outcome), self.sizes.outcomes).float()
        option_, context_ = (torch.from_numpy(np.ascontiguousarray(a)).to(self.device) for a in (option, context))
        return self.model.step(belief, option_, hot.to(self.device), context_)

    def tensors(self) -> dict[str, Tensor]:
        """The model and the optimiser's moments, which a parameter has after its first step."""
        named = module_tensors(self.model, "model.")
        for name, parameter in self.model.named_parameters():
            state = self.optimiser.state.get(parameter, {})
            named |= {f"optimiser.{key}.{name}": value for key, value in state.items()}
        return named

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors` gave."""
        take_up(module_tensors(self.model, "model."), {n: t for n, t in tensors.items() if n.startswith("model.")})
        self.optimiser.state.clear()
        for name, parameter in self.model.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            state = {k: tensors[f"optimiser.{k}.{name}"].clone() for k in keys if f"optimiser.{k}.{name}" in tensors}
            if state and (len(state) < len(keys) or state["exp_avg"].shape != parameter.shape):
                raise WeightsError(
                    f"optimiser: the moments of {name} do not fit a parameter of {list(parameter.shape)}"
                )
            if state:
                self.optimiser.state[parameter] = state
