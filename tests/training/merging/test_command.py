"""`merge` and `skills compose` as work: unmeasured, measured, searched, proposed; only what is accepted is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.errors import SettingsError, WeightsError
from agent.games.contract import HostedGame
from agent.learning.merging.recipe import Recipe
from agent.planning.backend import LlmConfig
from agent.planning.weighting import random_weights
from agent.store.skills import SkillStore
from agent.store.store import WeightsStore
from agent.training.merging import command
from agent.training.merging.command import MergeWork, compose_skills, publish, run_merge, skill_sources
from tests.training.merging.players import BASE, NAMES, Numbers, source


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WeightsStore, SkillStore]:
    """Policies and skills a and b of one base, and an evaluator of their numbers."""
    store, skills = WeightsStore(tmp_path / "weights"), SkillStore(tmp_path / "db", tmp_path / "none")
    store.publish("start", BASE, kind="pilot", layout={"x": 1})
    for k, name in enumerate(NAMES):
        store.publish(name, source(k).tensors, kind="pilot", layout={"x": 1})
        skills.save(name, BASE, source(k).tensors, of="pilot", layout={"x": 1}, description=name)
    monkeypatch.setattr(command, "evaluator_of", lambda *told, **more: Numbers())
    return store, skills


def _no_game(game: str) -> HostedGame:
    raise AssertionError(game)


def _merge(work: MergeWork, held: tuple[WeightsStore, SkillStore], said: list[str]) -> Any:
    return run_merge(work, *held, _no_game, LlmConfig("builtin"), llm=True, say=said.append)


def test_an_unmeasured_merge_and_rams_histogram_are_shown(held: tuple[WeightsStore, SkillStore]) -> None:
    said: list[str] = []
    made = _merge(MergeWork(sources=NAMES, base="start", recipe=Recipe(method="ram")), held, said)
    assert made.accepted is None and made.tensors["w"].tolist()[:3] == [1.0, 1.0, 0.0]
    assert any("unique among the changed: 100.00%" in line for line in said)
    assert any("a and b: cosine +0.000" in line for line in said)
    stored = publish(made, held[0], "both", "merge a b")
    assert (stored.policy, stored.version) == ("both", 1) and stored.manifest.notes["recipe"]["method"] == "ram"


@pytest.mark.parametrize(("scale", "accepted"), [(1.0, True), (0.0, False)])
def test_a_measured_merge_says_its_verdict(scale: float, accepted: bool, held: tuple[WeightsStore, SkillStore]) -> None:
    said: list[str] = []
    made = _merge(MergeWork(sources=NAMES, base="start", recipe=Recipe(scale=scale), evaluate="arena"), held, said)
    assert made.accepted is accepted and said[-1].startswith("accepted" if accepted else "refused")
    assert made.report["verdict"]["accepted"] is accepted and made.report["llm"]["model"] is None


def test_searched_weights_are_in_the_recipe_and_the_report(held: tuple[WeightsStore, SkillStore]) -> None:
    work = MergeWork(
        sources=NAMES, base="start", recipe=Recipe(method="task-arithmetic", scale=0.5), evaluate="arena", search=16
    )
    made = _merge(work, held, [])
    assert len(made.recipe.weights) == 2 and len(made.report["trials"]) == 16
    assert (
        made.report["recipe"]["weights"] == list(made.recipe.weights)
        or tuple(made.report["recipe"]["weights"]) == made.recipe.weights
    )


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ({"search": 5, "evaluate": None}, "--search 5: weights are searched by playing"),
        ({"episodes": 5}, "--episodes 5"),
        ({"margin": -1.0}, "--margin -1"), ({"recipe": Recipe(weights=(1.0,))}, "1 weights for 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(work: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingsError, WeightsError), match=said):
        MergeWork(**{"sources": NAMES, "base": None, "recipe": Recipe(), "evaluate": "arena", **work}).check()


def _compose(held: tuple[WeightsStore, SkillStore], **more: Any) -> Any:
    recipe = Recipe(weights=more.pop("scales", ()))
    work = MergeWork(
        sources=skill_sources(NAMES), base="start", recipe=recipe, evaluate="arena", **more.pop("work", {})
    )
    return compose_skills(NAMES, work, *held, LlmConfig("builtin"), llm=True, say=lambda text: None, **more)


def test_accepted_scales_are_kept_and_play_uses_them(
    held: tuple[WeightsStore, SkillStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Halved(Numbers):
        """1.5 is wanted of both numbers."""

        def scores(self, tensors: Any, seed: int, episodes: int) -> dict[str, np.ndarray]:
            return super().scores({"w": np.asarray(tensors["w"]) / 1.5}, seed, episodes)

    monkeypatch.setattr(command, "evaluator_of", lambda *told, **more: Halved())
    tried, kept = _compose(held, scales=(1.5, 1.4))
    assert tried.verdict.accepted and kept is not None and kept.made_by == "by hand"
    assert held[1].composed(BASE, ["b", "a"])["w"].tolist()[:2] == pytest.approx([1.5, 1.4], abs=1e-3)


def test_refused_scales_are_not_kept_and_nobody_to_ask_is_said(held: tuple[WeightsStore, SkillStore]) -> None:
    _, kept = _compose(held, scales=(0.1, 0.2))
    assert kept is None and not held[1].compositions()
    with pytest.raises(SettingsError, match="nobody says the scales .*name --scales, --search N"):
        _compose(held)


def test_random_scales_are_hardly_ever_accepted(held: tuple[WeightsStore, SkillStore]) -> None:
    accepted = sum(_compose(held, random=random_weights(seed))[1] is not None for seed in range(40))
    assert accepted <= 2
