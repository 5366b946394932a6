"""Whether a model of outcomes knows more than the frequencies of outcomes, on episodes that it has not learned from."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from agent.core.choices import Choices
from agent.learning.active_inference.choice_batch import beliefs, padded
from agent.models.outcome_model import OutcomeModel

MAX_LENGTH = 256


class Tried(msgspec.Struct, frozen=True):
    """Mean negative log-likelihood of the outcomes of `choices` choices, in nats.

    loss: the model's; any_option: the model's where it is not told which option was taken; frequencies: that of how
    often each outcome came in what was learned from. episodes: how many the choices are from.
    """

    choices: int
    episodes: int
    loss: float
    any_option: float
    frequencies: float

    def as_report(self) -> dict[str, float]:
        """By the names that a learner reports."""
        return {
            "efe_held_choices": float(self.choices), "efe_held_loss": self.loss,
            "efe_held_any_option": self.any_option, "efe_held_frequencies": self.frequencies,
        }  # fmt: skip


@torch.no_grad()
def likelihoods(model: OutcomeModel, episodes: list[Choices]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-likelihood of each choice's outcome given the option taken, and given only that it was one of those there."""
    batch = padded(episodes, MAX_LENGTH, next(model.parameters()).device)
    belief, _ = beliefs(model, batch)
    valid = batch.valid
    state, context, outcomes = belief[valid], batch.context[valid], batch.outcomes[valid]
    options, allowed, picks = batch.options[valid], batch.allowed[valid], batch.picks[valid]
    many = options.shape[1]
    told, _ = model.predict(state.repeat_interleave(many, 0), options.flatten(0, 1), context.repeat_interleave(many, 0))
    chance = told.exp().mean(0).view(len(state), many, -1)
    here = chance.gather(2, outcomes[:, None, None].expand(-1, many, 1)).squeeze(2)
    taken = here.gather(1, picks[:, None]).squeeze(1)
    some = (here * allowed).sum(1) / allowed.sum(1).clamp_min(1)
    return tuple(x.clamp_min(1e-12).log().double().cpu().numpy() for x in (taken, some))  # type: ignore[return-value]


class OutcomeTrial:
    """The trial of one model."""

    def __init__(self, model: OutcomeModel) -> None:
        self.model = model

    def of(self, held: list[Choices], learned: list[Choices]) -> Tried:
        """Try it on the held episodes; `learned` gives the frequencies, one of each outcome added."""
        counts = np.ones(self.model.sizes.outcomes)
        for episode in learned:
            counts += np.bincount(episode.outcomes, minlength=len(counts))
        chances = np.log(counts / counts.sum())
        taken, some = likelihoods(self.model, held)
        outcomes = np.concatenate([e.outcomes[:MAX_LENGTH] for e in held])
        return Tried(len(taken), len(held), -float(taken.mean()), -float(some.mean()), -float(chances[outcomes].mean()))
