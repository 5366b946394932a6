"""The commands `merge` and `skills compose`: merge, search weights, measure, and keep what the gate accepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from agent.core.errors import SettingsError
from agent.games.contract import HostedGame
from agent.games.options import check_bounds, is_gymnasium
from agent.learning.merging.methods import Histogram
from agent.learning.merging.recipe import Recipe, merge
from agent.learning.merging.search import Trial
from agent.models.sealed import Tensors
from agent.planning.backend import LlmConfig
from agent.store.merging import SKILL, Base, Source, base_of, publish_merge, sources_of
from agent.store.skills import Composition, SkillStore
from agent.store.store import Stored, WeightsStore
from agent.training.merging.asking import Asker, asking
from agent.training.merging.evaluate import evaluator_of
from agent.training.merging.trial import MergeTrial, Tried, in_lines

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class MergeWork:
    """What is merged and how it is measured; see `commands.merging.merge`."""

    sources: Sequence[str]
    base: str | None
    recipe: Recipe
    evaluate: str | None = None
    episodes: int = 20
    margin: float = 0.25
    search: int = 0
    search_episodes: int = 8
    seed: int = 0
    goal: str = ""

    def check(self) -> None:
        """Raise SettingsError or WeightsError for numbers that are out of bounds."""
        check_bounds("--search", self.search, 0, 10_000)
        check_bounds("--search-episodes", self.search_episodes, 1, 10_000)
        check_bounds("--margin", self.margin, 0.0, 10.0)
        check_bounds("--episodes", self.episodes, 20, 10_000)
        if self.search and self.evaluate is None:
            raise SettingsError(f"--search {self.search}: weights are searched by playing; name --evaluate GAME")
        self.recipe.check(len(self.sources))


class Made(msgspec.Struct, frozen=True, eq=False):
    """A merge: its weights and its report, with the verdict where it was measured."""

    base: Base
    sources: list[Source]
    tensors: Tensors
    recipe: Recipe
    report: dict[str, Any]
    accepted: bool | None = None


def run_merge(
    work: MergeWork, store: WeightsStore, skills: SkillStore, build: Callable[[str], HostedGame],
    config: LlmConfig, *, llm: bool, say: Say,
) -> Made:  # fmt: skip
    """Merge, with a search and a measurement where they are asked for. Nothing is kept. Raises what does not fit."""
    work.check()
    base = base_of(work.base, work.sources, store, skills)
    sources = sources_of(work.sources, base, store, skills)
    named = [s.name for s in sources]
    merged = merge(base.tensors, [s.tensors for s in sources], work.recipe, named)
    if "histogram" in merged.report:
        for line in msgspec.convert(merged.report["histogram"], Histogram).lines():
            say(line)
    for pair in merged.report["pairwise"]:
        say(f"{pair['a']} and {pair['b']}: cosine {pair['cosine']:+.3f}, signs agree {pair['sign_agreement']:.1%}")
    if work.evaluate is None:
        return Made(base, sources, merged.tensors, work.recipe, merged.report)
    game = work.evaluate
    evaluator = evaluator_of(game, base, sources, lambda: build(game), frames=is_gymnasium(game))
    trial = MergeTrial(base, sources, evaluator, say)
    with asking(config, described(sources), wanted=llm and work.search > 0, goal=work.goal, say=say) as asker:
        tried = _tried(trial, work, asker)
    report = merge(base.tensors, [s.tensors for s in sources], tried.recipe, named).report
    report |= {"verdict": msgspec.to_builtins(tried.verdict), "llm": _llm(asker), "trials": _trials(tried.trials)}
    for line in in_lines(tried.verdict):
        say(line)
    return Made(base, sources, tried.tensors, tried.recipe, report, tried.verdict.accepted)


def _tried(trial: MergeTrial, work: MergeWork, asker: Asker) -> Tried:
    recipe, trials = work.recipe, list[Trial]()
    if work.search:
        trials = trial.search(
            recipe, trials=work.search, episodes=work.search_episodes, seed=work.seed, propose=asker.propose
        )
        recipe = msgspec.structs.replace(recipe, weights=trials[0].weights)
    return trial.gate(recipe, episodes=work.episodes, margin=work.margin, trials=trials)


def described(sources: Sequence[Source]) -> dict[str, str]:
    """What a language model is told of each source."""
    return {s.name: s.described or "weights without a description" for s in sources}


def _llm(asker: Asker) -> dict[str, Any]:
    weigher = asker.weigher
    if weigher is None:
        return {"model": None, "why": asker.why}
    return {"model": weigher.model.name, **weigher.counts, "faults": weigher.faults}


def _trials(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(trial) for trial in trials]


def publish(made: Made, store: WeightsStore, target: str | None, created_by: str) -> Stored:
    """Keep a merge as the next version of a policy; raises WeightsError."""
    return publish_merge(
        store, made.tensors, made.base, made.sources, made.recipe, target=target, created_by=created_by,
        verdict=made.report.get("verdict"),
    )  # fmt: skip


def compose_skills(
    names: Sequence[str], work: MergeWork, store: WeightsStore, skills: SkillStore, config: LlmConfig, *,
    llm: bool, random: Callable[[Sequence[str]], Sequence[float]] | None = None, say: Say,
) -> tuple[Tried, Composition | None]:  # fmt: skip
    """Measure scales of skills together, and keep them where the gate accepts them.

    Scales are those of the recipe; else a search's; else a language model's. random: proposes in its place.
    Raises SettingsError where nobody gives any.
    """
    base = base_of(work.base, work.sources, store, skills)
    sources = sources_of(work.sources, base, store, skills)
    evaluator = evaluator_of("arena", base, sources, _no_game, frames=False)
    trial = MergeTrial(base, sources, evaluator, say)
    made_by, trials, recipe = "by hand", list[Trial](), work.recipe
    with asking(config, described(sources), wanted=llm and not recipe.weights, goal=work.goal, say=say) as asker:
        if work.search:
            trials = trial.search(
                recipe, trials=work.search, episodes=work.search_episodes, seed=work.seed, propose=asker.propose
            )
            recipe, made_by = msgspec.structs.replace(recipe, weights=trials[0].weights), trials[0].by
        elif not recipe.weights:
            proposed = random(names) if random is not None else asker.once(names)
            made_by = "random" if random is not None else "llm"
            if proposed is None:
                raise SettingsError(
                    f"nobody says the scales ({asker.why}): name --scales, --search N, or start a language model"
                )
            recipe = msgspec.structs.replace(recipe, weights=tuple(float(w) for w in proposed))
    say(f"scales by {made_by}: " + ", ".join(f"{n} {w:.2f}" for n, w in zip(names, recipe.weights, strict=True)))
    tried = trial.gate(recipe, episodes=work.episodes, margin=work.margin, trials=trials)
    for line in in_lines(tried.verdict):
        say(line)
    if not tried.verdict.accepted:
        return tried, None
    order = sorted(range(len(names)), key=lambda k: names[k])
    kept = Composition(
        base=base.sha256, names=[names[k] for k in order], scales=[recipe.weights[k] for k in order], made_by=made_by,
        figures={"overall": tried.verdict.overall, "episodes": work.episodes},
    )  # fmt: skip
    skills.keep(kept)
    return tried, kept


def _no_game() -> HostedGame:
    raise SettingsError("skills of a pilot are measured in the arena alone")


def skill_sources(names: Sequence[str]) -> list[str]:
    """Names of skills as sources."""
    return [SKILL + name for name in names]
