"""An order's work: a state goes in, figures and the next state come out, wherever it runs."""

from __future__ import annotations

import pytest

from agent.training.population.contract import Done, Seal
from agent.training.population.work import Worker
from tests.training.population.members import TASK, VALUES, order


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker(TASK)


@pytest.fixture(scope="module")
def first(worker: Worker) -> tuple[Done, bytes]:
    return worker.run(order(), b"")


def test_a_state_goes_on_elsewhere_as_a_copy(worker: Worker, first: tuple[Done, bytes]) -> None:
    done, state = worker.run(order(member=5, seed=8, number=1), first[1])
    assert done.steps == 2048 and state != first[1]
    sealed, _ = worker.seal(Seal(interval=order()), first[1])
    assert sealed.notes["steps"] == 1024 and sealed.kind == "flat-policy"


def test_a_training_that_breaks_down_says_so() -> None:
    found, state = Worker(TASK).run(order(values={**VALUES, "reward_scale": float("nan")}), b"")
    assert found.broken and state == b"" and found.scores == []


def test_an_interval_trains_and_measures(worker: Worker, first: tuple[Done, bytes]) -> None:
    assert first[0].steps == 1024 and len(first[0].scores) == 10 and first[0].metrics["curiosity"] > 0
    again, state = Worker(TASK).run(order(), b"")
    assert again.scores == first[0].scores and state == first[1], "the same order gives another training"
