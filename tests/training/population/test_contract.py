"""What scheduler and runners say to one another goes through a pipe as it is."""

from __future__ import annotations

import msgspec

from agent.concurrency.frames import decoder_of
from agent.training.population.contract import Done, Interval, Runner, Seal
from agent.training.population.runner import LocalRunner
from tests.training.population.members import TASK, order


def test_orders_and_answers_survive_a_pipe() -> None:
    told = order(values={"lr": 0.1, "is_on": True})
    for message in (told, Seal(interval=told), Done(steps=3, scores=[1.5], metrics={"a": 0.5}, broken="x")):
        read = decoder_of(Interval | Seal | Done).decode(msgspec.msgpack.encode(message))
        assert read == message and type(read) is type(message)
    assert isinstance(told.values["is_on"], bool)


def test_a_local_runner_is_a_runner() -> None:
    runner: Runner = LocalRunner(TASK, 3)
    assert runner.places == 3
    runner.close()
