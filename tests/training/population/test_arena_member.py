"""A member that trains a pilot in the arena: its table is paid, and it is judged by the score."""

from __future__ import annotations

import numpy as np
import pytest

from agent.training.population.arena_member import ArenaMember
from agent.training.population.member import Task

TASK = Task(game="arena", total_steps=10_000, searched=("lr", "level", "gamma"), runs=2)


@pytest.fixture(scope="module")
def member() -> ArenaMember:
    found = ArenaMember(TASK, 5)
    found.configure({"lr": 1e-4, "gamma": 0.99, "level": 3.0})
    found.train(128)
    return found


def test_an_order_sets_the_table_and_the_discount(member: ArenaMember) -> None:
    weights = member.training.batch.weights
    assert (weights.level, weights.minute, weights.gamma) == (3.0, 1.0, 0.99)
    assert member.training.ppo.config.lr == 1e-4 and member.steps == 128


def test_another_table_pays_from_now_on(member: ArenaMember) -> None:
    batch = member.training.batch
    idle = np.zeros((2, 4), np.float32), np.zeros((2, 3), np.int32), np.zeros(2, np.int32)
    member.configure({"minute": 0.0, "level_potential": 0.0, "health_potential": 0.0, "boss_potential": 0.0})
    outcome = batch.step(*idle)
    assert not outcome.reward.any() and not outcome.potential.any()
    member.configure({"minute": 60.0, "level_potential": 50.0, "health_potential": 0.0, "boss_potential": 0.0})
    outcome = batch.step(*idle)
    assert (outcome.reward > 0).all()
    assert np.abs(outcome.potential).max() < 1.0, "the change of the table itself was paid"


def test_a_state_is_a_copy(member: ArenaMember) -> None:
    state = {name: t.clone() for name, t in member.tensors().items()}
    other = ArenaMember(TASK, 6)
    other.load_tensors(state)
    assert other.steps == member.steps
    for name, tensor in member.sealed()["tensors"].items():
        np.testing.assert_array_equal(other.sealed()["tensors"][name], tensor, err_msg=name)


def test_it_is_judged_by_whole_runs(member: ArenaMember, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.training.population import arena_member

    asked: list[tuple[str, list[int]]] = []

    def measure(tensors: object, task: object, seeds: range) -> list[float]:
        asked.append((task.metric, list(seeds)))  # type: ignore[attr-defined]
        return [100.0] * len(seeds)

    monkeypatch.setattr(arena_member, "measure", measure)
    assert member.evaluate(900, 3) == [100.0] * 3 and asked == [("score", [900, 901, 902])]
