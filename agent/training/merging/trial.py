"""Measuring of a merge: the search of its weights on seeds of its own, then the gate on others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from agent.core.errors import SettingsError, WeightsError
from agent.learning.merging.gate import BASE, CANDIDATE, MIN_EPISODES, UNIFORM, Scores, Verdict, judge
from agent.learning.merging.recipe import Recipe, merge
from agent.learning.merging.search import Propose, Trial, search
from agent.models.sealed import Tensors
from agent.store.merging import Base, Source
from agent.training.merging.evaluate import SEARCH_SEEDS, Evaluator
from agent.training.skills.measure import SEEDS


class Tried(msgspec.Struct, frozen=True, eq=False):
    """A measured merge: its weights, the trials of a search, and the verdict."""

    tensors: Tensors
    recipe: Recipe
    verdict: Verdict
    trials: list[Trial] = []


class MergeTrial:
    """Sources of one base, and who plays them. `say` hears of what is being done."""

    def __init__(
        self,
        base: Base,
        sources: Sequence[Source],
        evaluator: Evaluator,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.base, self.sources, self._evaluator, self._say = base, list(sources), evaluator, say

    def made(self, recipe: Recipe) -> Tensors:
        """Merged weights."""
        models, names = [s.tensors for s in self.sources], [s.name for s in self.sources]
        return merge(self.base.tensors, models, recipe, names).tensors

    def search(self, recipe: Recipe, *, trials: int, episodes: int, seed: int, propose: Propose | None) -> list[Trial]:
        """Weights that were tried, best first, by the mean share of what the sources gain over the base."""
        at = SEARCH_SEEDS + 10_000 * seed
        play = self._evaluator.scores
        base = {name: v.mean() for name, v in play(self.base.tensors, at, episodes).items()}
        own = {s.name: play(s.tensors, at, episodes) for s in self.sources}
        tasks = self._evaluator.tasks
        units = {
            t.name: max(abs(own[t.source][t.name].mean() - base[t.name]), 0.1 * abs(base[t.name]), 1e-9) for t in tasks
        }

        def value(weights: tuple[float, ...]) -> float:
            try:
                merged = self.made(msgspec.structs.replace(recipe, weights=weights))
            except WeightsError:  # all weights are 0, or the method does not apply to these
                return -10.0
            found = play(merged, at, episodes)
            return float(np.mean([(found[t.name].mean() - base[t.name]) / units[t.name] for t in tasks]))

        def tell(trial: Trial) -> None:
            shown = ", ".join(f"{w:.2f}" for w in trial.weights)
            self._say(f"weights {shown} by {trial.by}: {trial.value:+.3f}")

        names = [s.name for s in self.sources]
        return search(value, names, trials=trials, seed=seed, propose=propose, on_trial=tell)

    def scores(self, candidate: Tensors, episodes: int) -> Scores:
        """What the candidate, uniform TIES, the base and every source have on the gate's seeds."""
        players = {BASE: self.base.tensors, UNIFORM: self.made(Recipe()), CANDIDATE: candidate}
        players |= {source.name: source.tensors for source in self.sources}
        found = {}
        for who, tensors in players.items():
            self._say(f"{who}: {episodes} episodes of each of {len(self._evaluator.tasks)} tasks")
            found[who] = self._evaluator.scores(tensors, SEEDS, episodes)
        return found

    def gate(self, recipe: Recipe, *, episodes: int, margin: float, trials: Sequence[Trial] = ()) -> Tried:
        """Measure a recipe and judge it, against uniform TIES (itself: against the base) and the best source.

        Raises SettingsError for too few episodes.
        """
        if episodes < MIN_EPISODES:
            raise SettingsError(f"--episodes {episodes}: a verdict needs at least {MIN_EPISODES} of each task")
        tensors = self.made(recipe)
        is_plain = recipe.method == "ties" and len(set(recipe.weights)) <= 1
        verdict = judge(
            self.scores(tensors, episodes), self._evaluator.tasks, margin=margin, against=BASE if is_plain else UNIFORM
        )
        return Tried(tensors, recipe, verdict, list(trials))


def in_lines(verdict: Verdict) -> list[str]:
    """The verdict for people."""
    lines = []
    for task, found in verdict.tasks.items():
        means = ", ".join(f"{who} {mean:.2f}" for who, mean in found["means"].items())
        lines.append(f"{task}: {means}")
    said: dict[str, Any] = verdict.overall
    lines += [f"over all tasks against {who}: {d[0]:+.3f} ({d[1]:+.3f} to {d[2]:+.3f})" for who, d in said.items()]
    return [*lines, ("accepted: " if verdict.accepted else "refused: ") + "; ".join(verdict.why)]
