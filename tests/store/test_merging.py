"""Sources of a merge: files, policies of the store and skills of one base; others are refused in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.core.errors import WeightsError
from agent.learning.merging.recipe import Recipe
from agent.models.sealed import content_sha256, save_sealed
from agent.store.merging import base_of, publish_merge, sources_of
from agent.store.rollback import roll_back
from agent.store.skills import SkillStore
from agent.store.store import ORIGIN, WeightsStore
from tests.store.test_skills import BASE, store, tuned

LAYOUT = {"x": 1}


@pytest.fixture
def held(tmp_path: Path) -> tuple[WeightsStore, SkillStore, str]:
    """A store with two policies and a base, a database with a skill, and the base's file."""
    weights = WeightsStore(tmp_path / "weights")
    weights.publish("start", BASE, kind="pilot", layout=LAYOUT)
    for seed, name in enumerate(("gold", "bow")):
        weights.publish(name, tuned(seed), kind="pilot", layout=LAYOUT, notes={ORIGIN: content_sha256(BASE)})
    save_sealed(tmp_path / "base.safetensors", BASE, kind="pilot", layout=LAYOUT, sizes={})
    return weights, store(tmp_path, "shrines"), str(tmp_path / "base.safetensors")


def test_files_policies_and_skills_of_one_base_are_sources(held: tuple[WeightsStore, SkillStore, str]) -> None:
    weights, skills, file = held
    for named in ("start", "start@1", file):
        base = base_of(named, [], weights, skills)
        assert base.sha256 == content_sha256(BASE) and base.kind == "pilot"
    found = sources_of(["gold", "bow@1", "skill:shrines", file], base, weights, skills)
    assert [s.name for s in found] == ["gold", "bow@1", "shrines", "base"]
    assert np.array_equal(found[1].tensors["head.weight"], tuned(1)["head.weight"])
    assert np.abs(found[2].tensors["head.weight"] - tuned(0)["head.weight"]).max() < 1e-4


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["gold", "gold"], "named twice"),
        (["silver"], "silver: is no file, and the store .* holds bow, gold, start"),
        (["gold@x"], "a version is a number"),
        (["skill:silver"], "skill 'silver'"),
        (["other"], "other: was made from the weights aaaaaaaaaaaa, the base is"),
        (["dreamer"], "dreamer: holds a dreamer"),
        (["seen"], "seen: norm.mean is not the base's"),
    ],
)
def test_what_does_not_fit_is_refused(texts: list[str], said: str, held: tuple[WeightsStore, SkillStore, str]) -> None:
    weights, skills, _ = held
    more = [name for name in texts if name in ("other", "dreamer", "seen")]
    if more == ["other"]:
        weights.publish("other", tuned(3), kind="pilot", layout=LAYOUT, notes={"base": "a" * 64})
    if more == ["dreamer"]:
        weights.publish("dreamer", tuned(3), kind="dreamer", layout=LAYOUT)
    if more == ["seen"]:
        weights.publish("seen", tuned(3) | {"norm.mean": np.zeros(3, np.float32)}, kind="pilot", layout=LAYOUT)
    base = base_of("start", [], weights, skills)
    with pytest.raises(WeightsError, match=said):
        sources_of(texts, base, weights, skills)


def test_without_a_named_base_what_the_sources_say_decides(held: tuple[WeightsStore, SkillStore, str]) -> None:
    weights, skills, _ = held
    with pytest.raises(
        WeightsError, match="skill:shrines was made from .* none of the shipped weights; name it with --base"
    ):
        base_of(None, ["skill:shrines"], weights, skills)
    with pytest.raises(WeightsError, match="no source says it"):
        base_of(None, ["start"], weights, skills)


def test_a_merge_is_a_version_with_its_recipe_and_rollback_undoes_it(
    held: tuple[WeightsStore, SkillStore, str],
) -> None:
    weights, skills, _ = held
    base = base_of("start", [], weights, skills)
    sources = sources_of(["gold", "bow"], base, weights, skills)
    merged = tuned(9)
    recipe = Recipe(method="weighted", weights=(0.5, 1.5))
    stored = publish_merge(weights, merged, base, sources, recipe, target="gold", created_by="merge gold bow")
    assert stored.version == 2 == weights.named("gold")
    notes = weights.load("gold")[0].manifest.notes
    assert notes["recipe"]["weights"] == [0.5, 1.5] and notes["base"] == base.sha256
    assert [s["name"] for s in notes["sources"]] == ["gold", "bow"]
    back = roll_back(weights, "gold", None)
    assert np.array_equal(weights.load("gold", back.version)[1]["head.weight"], tuned(0)["head.weight"])
    assert publish_merge(weights, merged, base, sources, recipe, target=None, created_by="x").policy == "pilot"
