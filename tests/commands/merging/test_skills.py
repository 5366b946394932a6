"""`skills` on the command line: what is listed, what is measured together, and refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.store import skills as store_of_skills
from agent.store.skills import SkillStore
from agent.training.merging import command
from tests.training.merging.players import BASE, NAMES, Numbers, source


@pytest.fixture
def skills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SkillStore:
    monkeypatch.setenv("METABONK_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("METABONK_SKILL_DB_PATH", str(tmp_path / "db"))
    monkeypatch.setenv("METABONK_LLM_BACKEND", "builtin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store_of_skills.SkillStore.__init__, "__defaults__", (tmp_path / "none",))
    monkeypatch.setattr(command, "evaluator_of", lambda *told, **more: Numbers())
    return SkillStore(tmp_path / "db", tmp_path / "none")


def _fill(skills: SkillStore) -> None:
    figures = {"without": [1.0, 0.5, 1.5], "with": [3.0, 2.5, 3.5]}
    for k, name in enumerate(NAMES):
        skills.save(
            name, BASE, source(k).tensors, of="pilot", layout={"x": 1}, description=f"number {k}", tags=["metric:gold"],
            performance=lambda made: figures,
        )  # fmt: skip


def test_skills_are_listed_with_their_figures(skills: SkillStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["skills", "list"]) == 0 and "no skills; make one" in capsys.readouterr().out
    _fill(skills)
    assert run(["skills", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("a [metric:gold] of pilot") and lines[1].startswith("b ")
    assert "number 0: without 1.00 (0.50 to 1.50), with 3.00 (2.50 to 3.50)" in lines[0]


def test_scales_that_gain_are_kept_and_others_are_not(skills: SkillStore, tmp_path: Path) -> None:
    _fill(skills)
    from agent.models.sealed import save_sealed

    save_sealed(tmp_path / "base.safetensors", BASE, kind="pilot", layout={"x": 1}, sizes={})
    words = ["skills", "compose", "a", "b", "--base", "base.safetensors", "--scales"]
    assert run([*words, "0.2,0.1"]) == 1 and not skills.compositions()
    assert run([*words, "1,1"]) == 0 and skills.compositions()[0].scales == [1.0, 1.0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compose"], "0 skills of 0 bases"), (["compose", "bow"], "skill 'bow'"),
        (["train", "bow"], "what for? name --weapon"), (["train", "bow", "--weapon", "Bo"], "did you mean Bow"),
        (["train", "bow", "--weapon", "Bow", "--character", "Fox"], "a skill is of one of them"),
        (["train", "../bow", "--weapon", "Bow", "--steps", "0"], "--steps 0"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(
    words: list[str], said: str, skills: SkillStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["skills", *words]) == 2
    err = capsys.readouterr().err.strip()
    assert said in err and len(err.splitlines()) == 1


def test_without_select_all_the_skills_must_be_named(
    skills: SkillStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fill(skills)
    monkeypatch.setenv("METABONK_LLM_SKILL_SELECT_ALL", "0")
    assert run(["skills", "compose"]) == 2 and "name them" in capsys.readouterr().err
