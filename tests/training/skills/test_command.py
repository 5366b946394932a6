"""`skills train` from its options to a skill in the database; what cannot be is refused before any work."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from agent.control.motor import save_pilot
from agent.control.untrained import untrained_tensors
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.models.sealed import content_sha256
from agent.store.skills import SkillStore
from agent.training.skills import command, train
from agent.training.skills.command import SkillTrainOptions, train_skill

OPTIONS = SkillTrainOptions(
    name="bow", weapon="bow", character=None, metric=None, steps=256, seed=0, begin=None, out=None, episodes=2,
    score_episodes=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weapon": None}, "what for"), ({"character": "Fox"}, "a skill is of one of them"),
        ({"weapon": "Bo"}, "did you mean Bow"), ({"steps": 0}, "--steps 0"), ({"episodes": 1}, "--episodes 1"),
        ({"metric": "golds"}, "did you mean gold"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        dataclasses.replace(OPTIONS, **change).check()


def test_a_skill_is_trained_measured_and_kept_and_an_interrupted_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = untrained_tensors(0)
    save_pilot(tmp_path / "begin.safetensors", base, {}, created_by="a test")
    monkeypatch.setattr(train, "RUNS", 2)
    measured: list[Any] = []

    def measure(tensors: Any, task: Any, seeds: Any) -> Any:
        measured.append((content_sha256(tensors), task.metric, len(list(seeds))))
        return np.full(len(list(seeds)), 1.0 if content_sha256(tensors) == content_sha256(base) else 3.0)

    monkeypatch.setattr(command, "measure", measure)
    skills = SkillStore(tmp_path / "db", tmp_path / "none")
    options = dataclasses.replace(OPTIONS, begin=tmp_path / "begin.safetensors", score_episodes=2)
    console = Console(quiet=True)
    monkeypatch.setattr(train.SkillTraining, "advance", _interrupted(train.SkillTraining.advance, after=1))
    with pytest.raises(KeyboardInterrupt):
        train_skill(options, skills, SystemClock(), console)
    assert not skills.skills()
    monkeypatch.undo()
    monkeypatch.setattr(train, "RUNS", 2)
    monkeypatch.setattr(command, "measure", measure)
    measured.clear()
    skill = train_skill(options, skills, SystemClock(), console)
    assert len((tmp_path / "db" / "training-bow" / "curve.jsonl").read_text().splitlines()) == 2
    assert skill.base == content_sha256(base) and skill.of == "pilot" and skill.trigger == "weapon:Bow"
    assert skill.performance["without"][0] == 1.0 and skill.performance["with"][0] == 3.0
    assert skill.performance["score_s"]["difference"] == [2.0, 2.0, 2.0] and skill.performance["episodes"] == 2
    assert skill.task["steps"] == 256 and skill.tags == ["weapon:Bow", "metric:weapon:Bow"]
    assert len(measured) == 4, "what the base has was kept with the checkpoint"
    kept = skills.composed(base, ["bow"])
    assert measured[1][0] == content_sha256(kept), "measured as it is kept"
    assert not np.array_equal(kept["axes.weight"], base["axes.weight"])


def _interrupted(advance: Any, *, after: int) -> Any:
    done: list[int] = []

    def stops(self: Any) -> Any:
        if len(done) >= after:
            raise KeyboardInterrupt
        done.append(1)
        return advance(self)

    return stops
