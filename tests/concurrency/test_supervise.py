"""The supervisor: a part that fails is restarted, then parked and named; cancellation goes through."""

from __future__ import annotations

import asyncio

import pytest

from agent.concurrency.supervise import MAX_RESTARTS, Failure, Supervisor, attempt, attempted
from agent.core.clock import VirtualClock


def test_a_failure_is_a_value_of_one_line() -> None:
    def fail() -> int:
        raise ValueError("one\n  two")

    assert attempt(lambda: 3) == 3
    outcome = attempt(fail)
    assert isinstance(outcome, Failure) and outcome.reason == "ValueError: one two"

    async def stopped() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(attempted(stopped()))  # type: ignore[arg-type]


def test_a_part_is_restarted_five_times_in_ten_minutes_and_then_parked_with_its_reason() -> None:
    async def main() -> None:
        clock, runs, parked = VirtualClock(), [], []
        supervisor = Supervisor(clock, lambda part, reason: parked.append(part))

        async def part() -> None:
            runs.append(clock.now_s())
            raise OSError("disk")

        task = asyncio.ensure_future(supervisor.run("part", part))
        for _ in range(60):
            await clock.advance(1.0)
        assert task.done() and len(runs) == MAX_RESTARTS + 1 and parked == ["part"]
        assert "OSError: disk" in supervisor.status()["parked"]["part"] and supervisor.faults == {"part": 6}

    asyncio.run(main())


def test_failures_that_lie_far_apart_park_nothing() -> None:
    async def main() -> None:
        clock, runs = VirtualClock(), []
        supervisor = Supervisor(clock)

        async def part() -> None:
            runs.append(clock.now_s())
            await clock.sleep_until(clock.now_s() + 300.0)
            if len(runs) < 12:
                raise OSError("disk")

        task = asyncio.ensure_future(supervisor.run("part", part))
        for _ in range(100):
            await clock.advance(50.0)
        assert task.done() and len(runs) == 12 and not supervisor.parked

    asyncio.run(main())
