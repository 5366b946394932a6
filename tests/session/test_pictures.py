"""What decoding one game's pictures may cost: a share of one core, whatever a game sends."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import ImageError
from agent.core.types import ByteArray
from agent.session.pictures import SAVED_S, SHARE, DecodeBudget
from tests.link.test_imaging import progressive

COSTLY = progressive(size_px=(3000, 3000))
"""About 0.27 s."""


def test_a_game_that_sends_costly_pictures_gets_its_share_of_a_core_and_the_rest_are_refused() -> None:
    async def main() -> None:
        clock, decoded = VirtualClock(), [0]

        def decode(data: bytes, top_down: bool) -> ByteArray:
            decoded[0] += 1
            return np.zeros((2, 2, 3), np.uint8)

        budget, refused = DecodeBudget(clock), 0
        for _ in range(600):
            try:
                budget.decode(decode, COSTLY, True)
            except ImageError as error:
                assert error.reason == "too_costly"
                refused += 1
            await clock.advance(1 / 60)
        assert decoded[0] + refused == 600 and 0.9 < decoded[0] * 0.27 / (10 * SHARE + SAVED_S) < 1.1

    asyncio.run(main())


def test_pictures_of_games_cost_too_little_to_be_refused() -> None:
    async def main() -> None:
        clock = VirtualClock()
        budget = DecodeBudget(clock)
        for _ in range(600):
            budget.decode(lambda data, top_down: np.zeros((2, 2, 3), np.uint8), progressive(), True)
            await clock.advance(1 / 60)
        with pytest.raises(ImageError, match="damaged"):
            budget.decode(lambda data, top_down: np.zeros((2, 2, 3), np.uint8), b"\xff\xd8", True)

    asyncio.run(main())
