"""The database of skills: task vectors of one base, composed by TIES; what does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.control import policies
from agent.control.motor import pilot_tensors
from agent.core.errors import WeightsError
from agent.learning.merging.recipe import Recipe, merge
from agent.models.sealed import content_sha256, read_manifest
from agent.store.skills import (
    COMPOSITIONS,
    INDEX,
    SHIPPED,
    Composition,
    Skill,
    SkillStore,
    check_base,
    compose,
    difference,
)

Tensors = dict[str, np.ndarray]
BASE: Tensors = {
    "head.weight": np.linspace(-1, 1, 40, dtype=np.float32).reshape(8, 5), "head.bias": np.zeros(5, np.float32),
    "norm.mean": np.ones(3, np.float32), "steps": np.array(7),
}  # fmt: skip


def tuned(seed: int) -> Tensors:
    rng = np.random.default_rng(seed)
    change = rng.normal(0, 0.05, (8, 5)).astype(np.float32)
    return BASE | {"head.weight": BASE["head.weight"] + change}


def store(folder: Path, *names: str, base: Tensors = BASE, **more: Any) -> SkillStore:
    found = SkillStore(folder / "skills", folder / "shipped")
    for seed, name in enumerate(names):
        more = {"trigger": f"weapon:{name}"} | more
        made = tuned(seed) if base is BASE else base | {"head.bias": base["head.bias"] + 1}
        found.save(name, base, made, of="pilot", layout={"x": 1}, description=f"the {name}", tags=["t"], **more)
    return found


def test_a_skill_is_kept_with_its_index_and_read_again(tmp_path: Path) -> None:
    figures = {"with": [3.0, 2.5, 3.5]}
    asked: list[Tensors] = []
    store(tmp_path, "bow", performance=lambda made: asked.append(made) or figures)
    found = SkillStore(tmp_path / "skills", tmp_path / "shipped")
    skill, vector = found.load("bow")
    assert [s.name for s in found.skills()] == ["bow"] and skill.performance == figures
    assert (skill.description, skill.tags, skill.of, skill.base) == ("the bow", ["t"], "pilot", content_sha256(BASE))
    assert vector.keys() == {"head.weight"} and vector["head.weight"].dtype == np.float16
    index = json.loads((tmp_path / "skills" / INDEX).read_text())
    assert index["skills"][0].keys() >= {"name", "description", "tags", "performance", "file"}
    made = found.composed(BASE, ["bow"])
    assert np.abs(made["head.weight"] - tuned(0)["head.weight"]).max() < 1e-4
    assert np.array_equal(made["head.weight"], asked[0]["head.weight"]), "it is measured as it is kept, rounded"


def test_one_of_the_same_name_is_replaced_and_the_folders_own_counts_before_the_shipped_one(tmp_path: Path) -> None:
    shipped = SkillStore(tmp_path / "shipped", tmp_path / "none")
    shipped.save("bow", BASE, tuned(5), of="pilot", layout={}, description="shipped")
    both = SkillStore(tmp_path / "skills", tmp_path / "shipped")
    assert both.find("bow").description == "shipped"
    store(tmp_path, "bow", "bow")
    assert both.find("bow").description == "the bow" and len(both.skills()) == 1
    with pytest.raises(WeightsError, match=r"skill 'bwo': there are bow; did you mean bow\?"):
        both.find("bwo")


def test_several_are_composed_by_ties_of_scaled_vectors(tmp_path: Path) -> None:
    found = store(tmp_path, "a", "b", "c")
    names, scales = ["a", "b", "c"], [0.5, 2.0, 1.0]
    made = found.composed(BASE, names, scales)
    models = [
        BASE | {"head.weight": BASE["head.weight"] + np.float32(s) * found.load(n)[1]["head.weight"].astype(np.float32)}
        for n, s in zip(names, scales, strict=True)
    ]
    wanted = merge(BASE, models, Recipe(method="ties")).tensors
    assert np.abs(made["head.weight"] - wanted["head.weight"]).max() < 1e-6
    assert not np.array_equal(made["head.weight"], found.composed(BASE, names)["head.weight"])
    assert np.array_equal(found.composed(BASE, names, [0, 0, 0])["head.weight"], BASE["head.weight"])
    only = found.composed(BASE, names, [0, 1, 0])
    assert np.array_equal(only["head.weight"], found.composed(BASE, ["b"])["head.weight"]), "one alone is not trimmed"


def test_accepted_scales_are_used_for_these_skills_alone(tmp_path: Path) -> None:
    found = store(tmp_path, "a", "b", "c")
    said = content_sha256(BASE)
    found.keep(Composition(base=said, names=["a", "b"], scales=[2.0, 0.0]))
    found.keep(Composition(base=said, names=["a", "b"], scales=[0.0, 2.0], made_by="llm"))
    again = SkillStore(tmp_path / "skills", tmp_path / "shipped")
    assert len(json.loads((tmp_path / "skills" / COMPOSITIONS).read_text())["compositions"]) == 1
    wanted = found.composed(BASE, ["b"], [2.0])["head.weight"]
    assert np.array_equal(again.composed(BASE, ["b", "a"])["head.weight"], wanted)
    assert not np.array_equal(again.composed(BASE, ["a", "c"])["head.weight"], wanted)
    assert again.accepted("0" * 64, ["a", "b"]) is None


def test_a_skill_of_another_base_is_refused(tmp_path: Path) -> None:
    found = store(tmp_path, "bow")
    other = BASE | {"head.bias": np.ones(5, np.float32)}
    with pytest.raises(WeightsError, match="skill bow: was made from the weights .* skills train"):
        found.composed(other, ["bow"])
    check_base(found.find("bow"), content_sha256(BASE))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (BASE | {"norm.mean": np.zeros(3, np.float32)}, "norm.mean: differs from the base's"),
        (BASE | {"steps": np.array(8)}, "steps: differs from the base's"),
        (BASE | {"head.bias": np.zeros(4, np.float32)}, "head.bias: a skill has the tensors of its base"),
        ({"head.bias": np.zeros(5, np.float32)}, "head.weight"),
    ],
)
def test_more_than_parameters_is_no_skill(made: Tensors, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        difference(BASE, made)


def test_vectors_and_scales_that_do_not_fit_are_refused() -> None:
    vector = difference(BASE, tuned(0))
    for vectors, scales, said in (
        ([vector], [2.5], "scale 2.5: 0 to 2"), ([vector], [float("nan")], "scale nan"),
        ([vector], [1.0, 1.0], "2 scales for 1"),
        ([{"body": np.zeros(2)}], [1.0], "tensor body"), ([{"head.bias": np.zeros(3)}], [1.0], "tensor head.bias"),
        ([{"norm.mean": np.ones(3)}], [1.0], "norm.mean: is no parameter"),
    ):  # fmt: skip
        with pytest.raises(WeightsError, match=said):
            compose(BASE, vectors, scales)


def test_a_file_that_is_not_the_indexs_and_an_index_that_is_none_are_refused(tmp_path: Path) -> None:
    found = store(tmp_path, "a", "b")
    folder = tmp_path / "skills"
    for part in (".safetensors", ".safetensors.json"):
        (folder / f"a{part}").write_bytes((folder / f"b{part}").read_bytes())
    with pytest.raises(WeightsError, match="is not the file that index.json names"):
        found.load("a")
    index = json.loads((folder / INDEX).read_text())
    index["skills"][0]["file"] = "../../etc/passwd"
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="no plain name"):
        found.skills()
    (folder / INDEX).write_text('{"schema":"metabonk-skills/9","skills":[]}')
    with pytest.raises(WeightsError, match="schema metabonk-skills/9"):
        found.skills()
    (folder / INDEX).write_text("{")
    with pytest.raises(WeightsError, match="not an index"):
        found.skills()


@pytest.mark.parametrize(("high", "costly"), [(-0.1, True), (0.1, False)])
def test_a_skill_whose_whole_interval_lies_below_nothing_is_costly(high: float, costly: bool) -> None:
    figures = {"score_s": {"difference": [-5.0, -9.0, high]}}
    skill = Skill(
        name="a", description="", tags=[], performance=figures, file="a", sha256="", of="pilot", base=""
    )  # fmt: skip
    assert skill.is_costly is costly


def test_the_shipped_skills_are_of_the_shipped_pilot_and_small() -> None:
    """Another pilot needs other skills: `skills train` with the commands of their manifests makes them."""
    base = pilot_tensors(policies.SHIPPED)
    found = SkillStore(Path("no skills of one's own"))
    skills = found.skills()
    assert len(skills) >= 4 and {s.trigger.partition(":")[0] for s in skills} == {"weapon", "character", "metric"}
    for skill in skills:
        made = found.composed(base, [skill.name])
        assert any(not np.array_equal(made[name], base[name]) for name in base)
        assert skill.of == "pilot" and skill.performance["with"][1] > skill.performance["without"][2], skill.name
        assert read_manifest(SHIPPED / skill.file).created_by.startswith(f"python -m agent skills train {skill.name} ")
    assert sum(p.stat().st_size for p in SHIPPED.iterdir()) <= 8 << 20
