"""A seat: what was sent last holds in the connection that it was sent in, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.types import NEUTRAL, Action, Observation
from agent.session.act import Seat
from agent.session.sense import Feed
from tests.session.test_walk import PERIOD_S, Sink, Table
from tests.store.test_reload import Versions

AHEAD = Action(move=(1.0, 0.0), click=(3, 4), answers=7)


def seat() -> tuple[Seat, Feed, Sink]:
    feed, sink = Feed(0, "game", VirtualClock(100.0), Latency(), lambda: None), Sink()
    feed.on_up()
    return Seat(feed, sink), feed, sink


def test_a_repeated_action_clicks_and_claims_nothing() -> None:
    table, _, sink = seat()
    assert table.is_neutral and table.send(AHEAD) and not table.is_neutral
    table.repeat()
    assert sink.actions == [AHEAD, Action(move=(1.0, 0.0))]


def test_after_letting_go_there_is_nothing_to_repeat_even_where_that_could_not_be_said() -> None:
    table, _, sink = seat()
    table.send(AHEAD)
    sink.takes = False
    assert not table.send_neutral() and table.is_neutral
    sink.takes = True
    table.repeat()
    assert sink.actions == [AHEAD, NEUTRAL]


def test_what_was_sent_in_an_earlier_connection_does_not_hold_in_the_next() -> None:
    table, feed, _ = seat()
    table.send(AHEAD)
    feed.on_down("closed")
    assert table.is_neutral
    table.send(AHEAD)
    assert not table.is_neutral, "sent while the link was down, to whoever comes next"
    feed.on_up()
    assert table.is_neutral


def test_in_lock_step_nothing_is_late_and_each_answer_waits_for_room() -> None:
    async def main() -> None:
        for real_time, late in ((False, 0), (True, 1)):
            table = Table(real_time=real_time)
            asked: list[float] = []

            async def room(table: Table = table, asked: list[float] = asked) -> None:
                asked.append(table.clock.now_s())
                await table.clock.sleep_until(table.clock.now_s() + 1.5 * PERIOD_S)

            table.actor._room = room
            async with table.running():
                table.packet(1)
                await table.settle()
                assert not table.sinks[0].actions and len(asked) == 1, "the answer waits"
                await table.clock.advance(1.5 * PERIOD_S)
                await table.settle()
                assert len(table.sinks[0].actions) == 1
            assert sum(table.latency.missed.values()) == late

    asyncio.run(main())


class Two:
    """A stepper whose second game is played by other weights, which answer with another action."""

    def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
        return carry, [o and Action((float(o.game), 0.0), answers=o.sequence) for o in observations]

    def version(self, game: int) -> int:
        return 5 + game

    def acting(self, game: int) -> Any:
        raise AssertionError("nothing is rehearsed here")


def test_each_game_names_the_version_that_acted_in_it() -> None:
    async def main() -> None:
        table, versions = Table(2), Versions()
        table.actor._stepper, table.actor._watchers = Two(), [versions]
        async with table.running():
            for game in (1, 0, 1):
                table.packet(1 + len(versions.seen), game)
                await table.settle()
                await table.clock.advance(PERIOD_S)
        assert versions.seen == [6, 5, 6]
        assert table.sinks[1].actions[0].move == (1.0, 0.0)

    asyncio.run(main())
