"""How much decoding one game's pictures may cost: a share of one core, counted before a picture is decoded.

A game whose pictures cost more gets some of them refused; other games and its own states go on. For one thread at a
time; owns none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.core.clock import Clock
from agent.core.errors import ImageError
from agent.core.types import ByteArray
from agent.link.imaging import picture_cost_s

SHARE: Final = 0.5
SAVED_S: Final = 0.5
"""A game may take its share of so long at once, so that one large picture is decoded."""
Decode = Callable[[bytes, bool], ByteArray]


class DecodeBudget:
    """Seconds of decoding that one game has left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left_s = SAVED_S
        self._told_s = clock.now_s()

    def decode(self, decode: Decode, data: bytes, top_down: bool) -> ByteArray:
        """A picture, where there is time left for it, also for a damaged one; raises ImageError."""
        now_s = self._clock.now_s()
        self._left_s = min(SAVED_S, self._left_s + SHARE * (now_s - self._told_s))
        self._told_s = now_s
        cost_s = picture_cost_s(data)
        if cost_s > self._left_s:
            raise ImageError("too_costly", f"about {cost_s:.3f} s, {max(0.0, self._left_s):.3f} s are left")
        self._left_s -= cost_s
        return decode(data, top_down)
