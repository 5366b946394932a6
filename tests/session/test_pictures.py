"""What decoding one game's pictures may cost: a share of one core, and little time of its states."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import ImageError
from agent.core.types import ByteArray
from agent.session.pictures import SAVED_S, SHARE, DecodeBudget
from agent.session.sense import PICTURE_WAIT_S
from tests.link.test_imaging import progressive
from tests.session.test_walk import Table, identity

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


def test_a_state_waits_for_a_slow_picture_only_so_long_and_later_ones_not_at_all() -> None:
    async def main() -> None:
        gate, decoded = threading.Event(), []

        def slow(data: bytes, top_down: bool) -> Any:
            assert gate.wait(60)
            decoded.append(data[-1])
            return np.full((2, 2, 3), data[-1], np.uint8)

        table = Table(decode=slow)
        feed = table.feeds[0]
        async with table.running():
            table.packet(1, frame=b"\x01")
            await asyncio.sleep(0.005)
            table.packet(2)
            await asyncio.sleep(0.005)
            assert not table.sinks[0].actions
            await table.clock.advance(PICTURE_WAIT_S)
            await table.settle()
            for sequence, frame in ((3, b""), (4, b"\x04"), (5, b"\x05"), (6, b"")):
                table.packet(sequence, frame=frame)
                await table.settle()
            assert [a.answers for a in table.sinks[0].actions] == [2, 3, 4, 5, 6], "no state waits any more"
            assert feed.latest_frame is None and identity(feed)
            gate.set()
            for _ in range(2000):
                await asyncio.sleep(0.001)
                if decoded == [1, 5]:
                    break
            await asyncio.sleep(0.005)
            assert feed.latest_frame is not None and feed.latest_frame.pixels[0, 0, 0] == 5
            table.packet(7, frame=b"\x07")
            await table.settle()
            last = table.policy.seen[-1][0]
            assert last is not None and last.frame is not None and last.frame.pixels[0, 0, 0] == 7, "it waits again"
        assert identity(feed) and feed.ledger.superseded == 1 and feed.ledger.pending == 0

    asyncio.run(main())


def test_in_lock_step_a_state_waits_for_its_picture_however_long_it_takes() -> None:
    async def main() -> None:
        gate = threading.Event()

        def slow(data: bytes, top_down: bool) -> Any:
            assert gate.wait(60)
            return np.full((2, 2, 3), data[-1], np.uint8)

        table = Table(decode=slow, real_time=False)
        async with table.running():
            table.packet(1, frame=COSTLY)
            for _ in range(5):
                await asyncio.sleep(0.005)
                await table.clock.advance(10.0)
            assert not table.sinks[0].actions
            gate.set()
            await table.settle()
            assert [a.answers for a in table.sinks[0].actions] == [1] and not table.feeds[0].frames_refused

    asyncio.run(main())


def test_states_do_not_wait_while_the_pictures_after_a_slow_one_are_decoded_as_slowly() -> None:
    async def main() -> None:
        begun, may_end = threading.Semaphore(0), threading.Semaphore(0)

        def slow(data: bytes, top_down: bool) -> Any:
            begun.release()
            assert may_end.acquire(timeout=60)
            return np.full((2, 2, 3), data[-1], np.uint8)

        table = Table(decode=slow)
        async with table.running():
            table.packet(1, frame=b"\x01")
            await asyncio.to_thread(begun.acquire)
            await table.clock.advance(PICTURE_WAIT_S)
            await table.settle()
            table.packet(2, frame=b"\x02")
            for sequence in (3, 6):
                may_end.release()
                await asyncio.to_thread(begun.acquire)
                for later in range(sequence, sequence + 3):
                    table.packet(later, frame=bytes([later]) if later % 3 == 1 else b"")
                    await table.settle()
            may_end.release(9)
            assert [a.answers for a in table.sinks[0].actions] == list(range(1, 9))
            while table.feeds[0].latest_frame is None or table.feeds[0].latest_frame.pixels[0, 0, 0] != 7:
                await asyncio.sleep(0.001)
        assert table.feeds[0].ledger.superseded == 0 and identity(table.feeds[0])

    asyncio.run(main())


def test_damaged_pictures_cost_what_they_took() -> None:
    def broken(data: bytes, top_down: bool) -> ByteArray:
        raise ImageError("damaged_jpeg", "its end is missing")

    budget, reasons = DecodeBudget(VirtualClock()), []
    for _ in range(5):
        with pytest.raises(ImageError) as caught:
            budget.decode(broken, COSTLY, True)
        reasons.append(caught.value.reason)
    assert reasons == ["damaged_jpeg"] + ["too_costly"] * 4
