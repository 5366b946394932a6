"""Training of a model of outcomes from whole episodes of choices, until it gets no better on episodes held back.

Of every ten episodes one says when to stop and one is what is reported. Owns no game.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch

from agent.control.cards.chooser import KIND, layout
from agent.core.choices import WANTED, Choices
from agent.games.arena.rules_hash import rules_hash
from agent.learning.active_inference.learner import ActiveInferenceLearner
from agent.learning.active_inference.outcome_trial import Tried
from agent.learning.configs import ActiveInferenceConfig
from agent.training.arena.choices import SIZES

EVERY: Final = 25
PATIENCE: Final = 8
MAX_LENGTH: Final = 64


class OutcomeTraining:
    """A learner, and the tensors that did best."""

    def __init__(self, *, seed: int) -> None:
        torch.manual_seed(seed)
        config = ActiveInferenceConfig(
            WANTED, lr=1e-3, batch=64, max_length=MAX_LENGTH, steps_per_update=EVERY, episodes=100_000,
            weight_decay=0.05, seed=seed,
        )  # fmt: skip
        self.learner = ActiveInferenceLearner(SIZES, config)
        self.best: dict[str, torch.Tensor] = {}
        self.steps = 0

    def fit(
        self, episodes: list[Choices], *, max_steps: int, say: Callable[[int, Tried], None] = lambda steps, tried: None
    ) -> Tried:
        """Learn, and take the best up again; how it does on episodes that had no part in it."""
        if len(episodes) < 10:
            raise ValueError(f"{len(episodes)} episodes; at least 10 are needed to hold some back")
        parts = [[e for k, e in enumerate(episodes) if (k % 10 in (0, 5)) == apart] for apart in (False, True)]
        learned, stop, held = parts[0], parts[1][0::2], parts[1][1::2]
        minimum, waited = float("inf"), 0
        self.learner.learn(learned)
        for done in range(0, max_steps, EVERY):
            if done:
                self.learner.learn([])
            tried = self.learner.trial.of(stop, learned)
            say(done + EVERY, tried)
            waited += 1
            if tried.loss < minimum:
                minimum, waited, self.steps = tried.loss, 0, done + EVERY
                self.best = {n: t.clone() for n, t in self.learner.model.state_dict().items()}
            if waited >= PATIENCE:
                break
        self.learner.model.load_state_dict(self.best)
        return self.learner.trial.of(held, learned)

    def tensors(self) -> dict[str, Any]:
        """The best, by the names of the model."""
        return {name: t.numpy() for name, t in self.best.items()}

    def sealed(self, tried: Tried, notes: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `save_sealed`."""
        return {
            "tensors": self.tensors(), "kind": KIND, "layout": layout(), "sizes": {},
            "notes": {"rules": rules_hash(), "steps": self.steps, **tried.as_report(), **notes},
        }  # fmt: skip
