"""`merge` on the command line: a version in the store, a report, and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.commands.merging.merge import numbers
from agent.core.errors import SettingsError
from agent.models.sealed import save_sealed
from agent.store.store import WeightsStore
from agent.training.merging import command
from tests.training.merging.players import BASE, NAMES, Numbers, source


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsStore:
    monkeypatch.setenv("METABONK_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("METABONK_SKILL_DB_PATH", str(tmp_path / "db"))
    monkeypatch.chdir(tmp_path)
    found = WeightsStore(tmp_path / "weights")
    for k, name in enumerate(NAMES):
        found.publish(name, source(k).tensors, kind="pilot", layout={"x": 1})
    save_sealed(tmp_path / "base.safetensors", BASE, kind="pilot", layout={"x": 1}, sizes={})
    return found


def test_a_merge_becomes_a_version_and_rollback_undoes_it(
    store: WeightsStore, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["merge", "a", "b", "--base", "base.safetensors", "--target", "a"]
    assert run([*words, "--dry-run", "--report", "dry.json"]) == 0 and store.named("a") == 1
    assert json.loads(Path("dry.json").read_text())["target_policy"] is None
    assert run([*words, "--method", "weighted", "--weights", "1,0.5", "--scale", "0.9"]) == 0
    report = json.loads(capsys.readouterr().out.split("\n}\n")[-2] + "\n}")
    assert report["version"] == 2 == store.named("a") and report["recipe"]["weights"] == [1.0, 0.5]
    assert store.load("a")[1]["w"].tolist()[:2] == pytest.approx([0.9, 0.9])
    assert run(["weights", "rollback", "--policy", "a"]) == 0
    assert store.load("a")[1]["w"].tolist()[:2] == [1.0, 0.0]


def test_what_the_gate_refuses_is_not_kept_and_ends_with_1(
    store: WeightsStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "evaluator_of", lambda *told, **more: Numbers())
    words = ["merge", "a", "b", "--base", "base.safetensors", "--target", "new", "--evaluate", "arena"]
    assert run([*words, "--scale", "0"]) == 1 and store.named("new") == 0
    assert "refused: " in capsys.readouterr().err
    assert run(words) == 0 and store.named("new") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what is to be merged?"), (["a", "silver"], "silver: is no file"), (["a"], "name it with --base"),
        (["a", "--base", "base.safetensors", "--weights", "1,x"], "numbers between commas"),
        (["a", "--base", "base.safetensors", "--evaluate", "arena", "--episodes", "3"], "--episodes 3"),
        (["a", "b", "--base", "base.safetensors", "--method", "slerp"], "slerp"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(
    words: list[str], said: str, store: WeightsStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["merge", *words]) == 2
    err = capsys.readouterr().err.strip()
    assert said in err and len(err.splitlines()) == 1


def test_numbers_between_commas() -> None:
    found: Any = numbers("--weights", "1, 0.5,2")
    assert found == (1.0, 0.5, 2.0) and numbers("--weights", "") == ()
    with pytest.raises(SettingsError):
        numbers("--weights", "1;2")
