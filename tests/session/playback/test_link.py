"""A recording comes at its own pace, or as fast as it is answered, from where one likes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.core.clock import VirtualClock
from agent.core.types import NEUTRAL, Packet
from agent.link.recorded import RecordedAddress
from agent.session.playback.link import PlaybackLink
from tests.session.playback.test_tape import PERIOD_S, taped


class Heard:
    """Notes what comes, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self.sequences: list[int] = []
        self.times: list[float] = []
        self.events: list[str] = []
        self._clock = clock
        self.answer: Callable[[], object] = lambda: None

    def on_up(self) -> None:
        self.events.append("up")

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        assert packet.state.run is not None
        self.sequences.append(packet.state.run.sequence)
        self.times.append(received_at_s)
        self.answer()

    def on_bad_packet(self, reason: str) -> None:
        self.events.append("bad")

    def on_down(self, reason: str) -> None:
        self.events.append("down")


Check = Callable[[PlaybackLink, Heard, VirtualClock], Awaitable[None]]


def played(folder: Path, check: Check, *, fast: bool = False) -> None:
    async def main() -> None:
        clock = VirtualClock(5.0)
        heard = Heard(clock)
        link = PlaybackLink(RecordedAddress(folder, 0, fast), heard, clock)
        task = asyncio.ensure_future(link.run())
        try:
            async with asyncio.timeout(60):
                await check(link, heard, clock)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


async def pass_time(clock: VirtualClock, seconds: float) -> None:
    """Let time pass in small steps, and everything run in each."""
    for _ in range(round(seconds / 0.025)):
        await clock.advance(0.025)
        await asyncio.sleep(0.002)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taped(tmp_path_factory.mktemp("playback") / "a", breaks=(4,))


def test_packets_come_at_the_recorded_pace_and_actions_go_nowhere(recording: Path) -> None:
    async def check(link: PlaybackLink, heard: Heard, clock: VirtualClock) -> None:
        await until(lambda: len(heard.sequences) == 1)
        for _ in range(2000):
            if link.ended.is_set():
                break
            await pass_time(clock, 0.05)
        gaps = [b - a for a, b in zip(heard.times, heard.times[1:], strict=False)]
        assert heard.sequences == list(range(30)) and max(gaps) <= PERIOD_S + 0.05 + 1e-6
        assert heard.times[-1] - heard.times[0] == pytest.approx(2.9, abs=0.03)
        assert heard.events == ["up", "down", "up"]
        assert link.send(NEUTRAL) and link.counters.packets == 30 and link.counters.frames == 6
        assert link.status()["ended"] and link.status()["at_s"] == pytest.approx(2.9)

    played(recording, check)


def test_fast_each_packet_waits_for_the_answer_to_the_one_before(recording: Path) -> None:
    async def check(link: PlaybackLink, heard: Heard, clock: VirtualClock) -> None:
        await until(lambda: len(heard.sequences) == 1)
        await asyncio.sleep(0.02)
        assert heard.sequences == [0], "nobody answered"
        heard.answer = lambda: link.send(NEUTRAL)
        link.send(NEUTRAL)
        await link.ended.wait()
        assert heard.sequences == list(range(30)) and set(heard.times) == {5.0}

    async def slow(link: PlaybackLink, heard: Heard, clock: VirtualClock) -> None:
        heard.answer = lambda: asyncio.get_running_loop().call_soon(link.send, NEUTRAL)
        await check_all(link, heard)

    async def check_all(link: PlaybackLink, heard: Heard) -> None:
        await link.ended.wait()
        assert heard.sequences == list(range(30))

    played(recording, check, fast=True)
    played(recording, slow, fast=True)


def test_a_viewer_pauses_steps_slows_and_seeks(recording: Path) -> None:
    async def check(link: PlaybackLink, heard: Heard, clock: VirtualClock) -> None:
        await until(lambda: len(heard.sequences) == 1)
        link.pause()
        await pass_time(clock, 1.0)
        assert heard.sequences == [0] and link.is_paused
        link.step()
        await until(lambda: len(heard.sequences) == 2)
        link.step(3)
        await until(lambda: len(heard.sequences) == 5)
        await pass_time(clock, 0.5)
        assert heard.sequences == [0, 1, 2, 3, 4]
        link.seek(2.0)
        link.step()
        await until(lambda: len(heard.sequences) == 6)
        assert heard.sequences[-1] == 20 and heard.events[-2:] == ["down", "up"]
        link.set_speed(0.5)
        link.resume()
        begun = len(heard.sequences)
        await pass_time(clock, 1.0)
        assert 4 <= len(heard.sequences) - begun <= 6, "half as fast: five packets a second"
        link.set_speed(10.0)
        await pass_time(clock, 0.5)
        await link.ended.wait()
        assert heard.sequences[5:] == list(range(20, 30))
        link.seek(0.0)
        await until(lambda: heard.sequences[-1] == 0)
        assert not link.ended.is_set()
        with pytest.raises(ValueError, match="between 0.01 and 100"):
            link.set_speed(0.0)

    played(recording, check)
