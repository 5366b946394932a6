"""Child processes take orders: one each, a member where it was before, and what fails is said."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from agent.concurrency.child import Child
from agent.core.errors import ChildGone
from agent.training.population.contract import Done, Interval
from agent.training.population.runner import LocalRunner
from tests.training.population.members import TASK, order


def test_a_child_that_is_gone_is_told() -> None:
    runner = LocalRunner(msgspec.structs.replace(TASK, game="gym:NoSuchGame-v0"))
    try:
        with pytest.raises(Exception, match="NoSuchGame") as caught:
            asyncio.run(runner.run(order(), b""))
        assert not isinstance(caught.value, ChildGone)
    finally:
        runner.close()


def test_a_member_goes_on_where_it_was_if_that_one_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[tuple[str, int]] = []

    async def call(self: Child, told: Interval, *rest: object, **more: object) -> tuple[Done, bytes]:
        at.append((self.name[-1], told.member))
        await asyncio.sleep(0)
        return Done(steps=1, scores=[], metrics={}), b""

    monkeypatch.setattr(Child, "call", call)

    async def run() -> None:
        runner = LocalRunner(TASK, 2)
        for _ in range(2):
            await asyncio.gather(*(runner.run(order(member=m), b"") for m in (0, 1)))
        await asyncio.gather(*(runner.run(order(member=m), b"") for m in (2, 1)))
        runner.close()

    asyncio.run(run())
    assert sorted(at[:2]) == sorted(at[2:4]) and sorted(name for name, _ in at[4:]) == ["1", "2"]
