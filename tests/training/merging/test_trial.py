"""A measured merge: searched weights are judged on seeds that the search never played, and only a gain is accepted."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.learning.merging.recipe import Recipe
from agent.training.merging.evaluate import SEARCH_SEEDS
from agent.training.merging.trial import MergeTrial, in_lines
from agent.training.skills.measure import SEEDS
from tests.training.merging.players import Numbers, base, source


def _trial(**more: float) -> tuple[MergeTrial, Numbers, list[str]]:
    evaluator, said = Numbers(**more), list[str]()
    return MergeTrial(base(), [source(0), source(1)], evaluator, said.append), evaluator, said


def test_the_search_finds_weights_that_the_gate_accepts_on_other_seeds() -> None:
    """Average adds half of each number; only a scale of 1 in the weights' sum of task arithmetic gives both."""
    trial, evaluator, said = _trial()
    recipe = Recipe(method="task-arithmetic", scale=0.5)
    trials = trial.search(recipe, trials=40, episodes=4, seed=0, propose=None)
    assert all(w > 1.8 for w in trials[0].weights) and trials[0].value > 0.9
    assert {at for at, _ in evaluator.asked} == {SEARCH_SEEDS} and len(said) == 40
    evaluator.asked.clear()
    best = Recipe(method="task-arithmetic", scale=0.5, weights=trials[0].weights)
    tried = trial.gate(best, episodes=20, margin=0.25, trials=trials)
    assert {at for at, _ in evaluator.asked} == {SEEDS} and len(evaluator.asked) == 5
    assert not tried.verdict.accepted, "uniform TIES of two vectors that do not overlap is as good"
    assert "no gain on uniform TIES" in in_lines(tried.verdict)[-1]


def test_uniform_ties_itself_is_judged_against_the_base() -> None:
    trial, _, _ = _trial()
    tried = trial.gate(Recipe(), episodes=20, margin=0.25)
    assert tried.verdict.accepted and tried.verdict.tasks["a: near"]["against"] == "base"
    assert in_lines(tried.verdict)[-1].startswith("accepted: gains at least")
    assert not trial.gate(Recipe(scale=0.0), episodes=20, margin=0.25).verdict.accepted


def test_weights_that_cannot_be_merged_lose_the_search_and_do_not_end_it() -> None:
    trial, _, _ = _trial()
    trials = trial.search(
        Recipe(method="task-arithmetic"), trials=12, episodes=2, seed=0, propose=lambda state: [0.0, 0.0]
    )
    worst = [t for t in trials if t.by == "llm"]
    assert worst and all(t.value == -10.0 for t in worst)


def test_too_few_episodes_are_refused_before_anything_is_played() -> None:
    trial, evaluator, _ = _trial()
    with pytest.raises(SettingsError, match="--episodes 19"):
        trial.gate(Recipe(), episodes=19, margin=0.25)
    assert not evaluator.asked
