"""Options of training: their defaults are what the shipped model was trained with."""

from __future__ import annotations

from agent.learner.outcomes import SHIPPED
from agent.models.sealed import read_manifest
from agent.training.options import OutcomesOptions


def test_the_shipped_model_of_outcomes_is_trained_by_the_defaults() -> None:
    notes, options = read_manifest(SHIPPED).notes, OutcomesOptions()
    assert (notes["runs"], notes["decisions"], notes["seed"], notes["epsilon"]) == (
        options.runs, options.decisions, options.seed, options.epsilon,
    )  # fmt: skip
