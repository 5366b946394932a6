"""Play waits for its learner in lock-step, for a bounded time, and never in real time or where nobody learns."""

from __future__ import annotations

import asyncio
from typing import Any

from agent.core.clock import VirtualClock
from agent.learner.pace import MAX_HOLD_S, Pace


def pace(waiting: int, *, games: int = 1, real_time: bool = False, learns: bool = True) -> tuple[Pace, VirtualClock]:
    clock = VirtualClock(10.0)
    made = Pace(clock, games, real_time=real_time)
    made.learns = learns
    for k in range(waiting):
        some: Any = f"rollout {k}"
        made.rollouts.put(some)
    return made, clock


def test_play_waits_until_the_learner_has_made_room_and_says_how_long() -> None:
    async def main() -> None:
        made, clock = pace(5)
        room = asyncio.ensure_future(made.room())
        await asyncio.sleep(0)
        await clock.advance(1.0)
        assert not room.done() and made.holds_from == 4
        await made.rollouts.get()
        await clock.advance(0.5)
        assert not room.done()
        await made.rollouts.get()
        await clock.advance(0.5)
        assert room.done() and 1.4 < made.status()["play_waited_s"] <= 2.0 and made.rollouts.dropped == 0

    asyncio.run(main())


def test_no_rollout_of_many_games_that_fill_at_once_is_lost() -> None:
    made, _ = pace(31, games=16)
    assert made.holds_from == 16 and made.rollouts.dropped == 0


def test_in_real_time_and_where_nobody_learns_play_goes_on() -> None:
    async def main() -> None:
        for options in ({"real_time": True}, {"learns": False}):
            made, _ = pace(8, **options)
            await asyncio.wait_for(made.room(), 60)
        assert "play_waits_from" not in pace(0, real_time=True)[0].status()

    asyncio.run(main())


def test_a_learner_that_stands_still_holds_play_up_once() -> None:
    async def main() -> None:
        made, clock = pace(8)
        room = asyncio.ensure_future(made.room())
        await asyncio.sleep(0)
        await clock.advance(MAX_HOLD_S + 1.0)
        assert room.done() and made.gave_up == 1
        await asyncio.wait_for(made.room(), 60)
        assert made.gave_up == 1, "it is not waited for again before it has made room"
        while len(made.rollouts) >= made.holds_from:
            await made.rollouts.get()
        await made.room()
        for _ in range(4):
            some: Any = "rollout"
            made.rollouts.put(some)
        again = asyncio.ensure_future(made.room())
        await asyncio.sleep(0)
        await clock.advance(1.0)
        assert not again.done()
        again.cancel()

    asyncio.run(main())
