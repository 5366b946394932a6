"""Training of a skill: the metric pays, the normaliser stays, and a checkpoint goes on to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from agent.control.untrained import untrained_tensors
from agent.core.rewards.tables import SCORE
from agent.learning.merging.vectors import is_normaliser
from agent.training.skills import train
from agent.training.skills.task import task_of
from agent.training.skills.train import UNTIL_S, SkillBatch, SkillTraining

BASE = untrained_tensors(3)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(train, "RUNS", 4)
    before = torch.random.get_rng_state()
    yield
    torch.random.set_rng_state(before)


def test_growth_of_the_metric_pays_beside_the_table_and_runs_are_cut_early() -> None:
    made = [SkillBatch(2, 7, task_of(metric="kills"), ticks=4, weights=SCORE, pay=pay) for pay in (0.0, 0.5)]
    assert made[1].until_s == UNTIL_S and made[1].casts == tuple(task_of(metric="kills").casts())
    axes, buttons, cards = np.zeros((2, 4), np.float32), np.zeros((2, 3), np.int32), np.zeros(2, np.int32)
    for batch in made:
        batch.step(axes, buttons, cards)
        batch.records["kills"] += 3
    plain, paid = (batch.step(axes, buttons, cards).reward for batch in made)
    assert (paid - plain >= 1.5).all() and (paid - plain < 3.0).all()
    made[1].records["time_s"] = UNTIL_S
    assert made[1].step(axes, buttons, cards).is_last.all()


def test_lessons_then_ppo_change_parameters_and_nothing_else() -> None:
    training = SkillTraining(task_of(metric="shrines"), BASE, usual=2.0, seed=0, total_steps=768)
    assert [training.advance()["lesson"] for _ in range(3)] == [1.0, 1.0, 0.0] and training.steps == 768
    made = training.pilot()
    assert made.keys() == BASE.keys()
    changed = {name for name in made if not np.array_equal(made[name], BASE[name])}
    assert "axes.weight" in changed and not any(is_normaliser(name) for name in changed)
    assert "decision_ticks" not in changed


def test_a_checkpoint_goes_on_to_the_bit() -> None:
    def fresh() -> SkillTraining:
        return SkillTraining(task_of(metric="chests"), BASE, usual=3.0, seed=1, total_steps=768)

    one = fresh()
    one.advance()
    kept = {name: t.clone() for name, t in one.tensors().items()}
    one.advance()
    two = fresh()
    two.load_tensors(kept)
    two.advance()
    assert all(np.array_equal(two.pilot()[name], tensor) for name, tensor in one.pilot().items())


def test_a_characters_score_is_trained_by_ppo_alone() -> None:
    training = SkillTraining(task_of(character="Fox"), BASE, usual=0.0, seed=0, total_steps=512)
    assert training.lesson_steps == 0 and training.batch.until_s == 1200.0
