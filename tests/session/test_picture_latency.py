"""Latency counts from the capture of a picture, as the game tells it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.link.game_side import state
from tests.session.test_walk import Table


@pytest.mark.parametrize(("looks", "delay_ms", "frame_ms"), [(True, 50, 50), (True, 0, 0), (True, None, 0),
                                                             (False, 50, 0)])  # fmt: skip
def test_latency_counts_from_the_capture_of_the_picture(looks: bool, delay_ms: int | None, frame_ms: int) -> None:
    """No time passes here from a packet to its answer, so what is recorded is the game's own delay."""

    async def main() -> None:
        table = Table(looks=looks)
        async with table.running():
            for sequence in range(10, 20):
                run = state(sequence).run
                assert run is not None
                told = 0 if delay_ms is None else run.capture_time_us - 1000 * delay_ms
                frame = b"\x01" if sequence % 2 == 0 else b""
                table.packet(sequence, frame=frame, run=msgspec.structs.replace(run, frame_time_us=told))
                await table.settle()
                while frame and (shown := table.feeds[0].latest_frame) is None:
                    await asyncio.sleep(0.0005)
        assert shown is not None and shown.received_at_s - shown.captured_at_s == pytest.approx((delay_ms or 0) / 1e3)
        assert table.feeds[0].frame_time == ("arrival" if delay_ms is None else "capture")
        found = table.latency.summary()
        assert found["frame_to_action"].p50_ms == pytest.approx(frame_ms, abs=1)
        assert found["packet_to_action"].p50_ms < 1 and found["packet_to_action"].count == 10
        assert found["picture_to_action"].p50_ms == pytest.approx(delay_ms or 0, abs=1)
        assert found["frame_to_action"].count == (5 if looks else 10)

    asyncio.run(main())
