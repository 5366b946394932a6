"""Moments in which no packet of any game is due: what watching costs the loop is done then.

Games send at a steady pace, so it is known when the next packet comes. Work for people that begins just after an answer
keeps nobody waiting; the same work a moment before a packet delays its answer. Owns no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from agent.core.clock import Clock
from agent.session.sense import Feed

ROOM_S: Final = 0.003
"""So long no packet may be due when a turn begins: the longest turn, and the rehearsal before a packet."""
PATIENCE_S: Final = 0.025
"""A turn waits no longer than this: with many games a packet may always be due."""
LOOK_S: Final = 0.001
SILENT_PERIODS: Final = 3
"""A game whose packet is so many periods late sends nothing now, and nobody waits for it."""


class Lull:
    """Finds such moments between the packets of these feeds."""

    def __init__(self, feeds: Sequence[Feed], clock: Clock) -> None:
        self._feeds, self._clock = feeds, clock

    def left_s(self) -> float:
        """How long no packet is due, seconds: infinite where no game sends, 0 where a packet is late."""
        now_s, left_s = self._clock.now_s(), float("inf")
        for feed in self._feeds:
            if feed.last_packet_s is None or not feed.real_time:
                continue
            since_s = now_s - feed.last_packet_s
            if since_s < SILENT_PERIODS * feed.period_s:
                left_s = min(left_s, max(0.0, feed.period_s - since_s))
        return left_s

    async def turn(self) -> None:
        """Let others go first; come back when no packet is due for `ROOM_S`, after `PATIENCE_S` in any case."""
        until_s = self._clock.now_s() + PATIENCE_S
        await asyncio.sleep(0)
        while (left_s := self.left_s()) < ROOM_S and (now_s := self._clock.now_s()) < until_s:
            await self._clock.sleep_until(min(until_s, now_s + left_s + LOOK_S))
