"""What watching costs the loop waits for a moment in which no packet is due, but never long."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.clock import TICK_S, VirtualClock
from agent.core.latency import Latency
from agent.core.types import Packet
from agent.http.live.lull import PATIENCE_S, ROOM_S, SILENT_PERIODS, Lull
from agent.session.sense import Feed
from tests.link.game_side import state


class Side:
    """Two games of 60 packets a second, of which only the first sends, on a clock that the test moves."""

    def __init__(self, *, real_time: bool = True) -> None:
        self.clock, latency = VirtualClock(), Latency()
        self.feeds = [
            Feed(i, f"game {i}", self.clock, latency, lambda: None, real_time=real_time, looks=lambda: False)
            for i in range(2)
        ]
        self.lull, self.sent = Lull(self.feeds, self.clock), 0

    async def packets(self, count: int) -> None:
        """So many packets at their pace, the last one now."""
        for _ in range(count):
            await self.clock.advance(TICK_S)
            self.sent += 1
            self.feeds[0].on_packet(Packet(state(self.sent), b""), self.clock.now_s())


def test_it_knows_how_long_no_packet_is_due() -> None:
    async def main() -> None:
        side = Side()
        assert side.lull.left_s() == float("inf"), "no game sends"
        await side.packets(6)
        assert side.lull.left_s() == pytest.approx(TICK_S)
        await side.clock.advance(0.01)
        assert side.lull.left_s() == pytest.approx(TICK_S - 0.01)
        await side.clock.advance(0.01)
        assert side.lull.left_s() == 0.0, "a packet is late"
        await side.clock.advance(SILENT_PERIODS * TICK_S)
        assert side.lull.left_s() == float("inf"), "it sends no more"
        steps = Side(real_time=False)
        await steps.packets(6)
        assert steps.lull.left_s() == float("inf"), "a game in lock-step waits"

    asyncio.run(main())


def test_a_turn_comes_just_after_a_packet_and_at_once_where_none_is_near() -> None:
    async def main() -> None:
        side = Side()
        await side.packets(6)
        began_s = side.clock.now_s()
        await side.lull.turn()
        assert side.clock.now_s() == began_s, "there is room now"
        await side.clock.advance(TICK_S - ROOM_S / 2)
        turn = asyncio.ensure_future(side.lull.turn())
        await side.clock.advance(ROOM_S / 2 - 1e-6)
        assert not turn.done(), "a packet is due"
        side.feeds[0].on_packet(Packet(state(7), b""), side.clock.now_s())
        await side.clock.advance(0.002)
        assert turn.done(), "its answer is out"

    asyncio.run(main())


def test_a_turn_waits_no_longer_than_its_patience() -> None:
    async def main() -> None:
        side = Side()
        await side.packets(6)
        await side.clock.advance(TICK_S - 0.0005)
        turn, waited_s = asyncio.ensure_future(side.lull.turn()), 0.0
        while not turn.done():
            assert waited_s <= PATIENCE_S + 0.001, "it waits for ever"
            await side.clock.advance(0.001)
            waited_s += 0.001
            if (
                side.clock.now_s() - (side.feeds[0].last_packet_s or 0.0) > TICK_S + 0.0015
            ):  # again a moment before the next
                side.feeds[0].last_packet_s = side.clock.now_s() - TICK_S + 0.0005
        assert waited_s > PATIENCE_S - 0.002

    asyncio.run(main())
