"""The client's end of the link: endings told apart, deadlines held, nothing stale delivered, nothing leaked."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

from agent.core.clock import SystemClock
from agent.core.types import Action
from agent.link.bonklink import BonkLink, LinkPolicy
from agent.link.endpoint import Endpoint
from tests.link.game_side import GameSide, Listening, Recorder, listening, packet

QUICK = LinkPolicy(backoff_first_s=0.001, backoff_cap_loopback_s=0.005, check_s=0.01, stall_s=0.15, silence_s=5.0)
Script = Callable[[Listening, BonkLink, Recorder], Awaitable[None]]


@asynccontextmanager
async def running(link: BonkLink) -> AsyncIterator[None]:
    task = asyncio.ensure_future(link.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def play(script: Script, policy: LinkPolicy = QUICK) -> None:
    async def main() -> None:
        async with listening() as game:
            recorder = Recorder()
            link = BonkLink(
                Endpoint("127.0.0.1", game.port), recorder, SystemClock(), policy=policy, rng=random.Random(1)
            )
            async with running(link):
                await script(game, link, recorder)

    asyncio.run(main(), debug=True)


async def until(condition: Callable[[], bool], limit_s: float = 120.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.002)


def test_packets_come_in_and_actions_go_out() -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        side = await game.accept()
        await side.send(packet(1) + packet(2, b"\xff\xd8picture"))
        await recorder.until(lambda: len(recorder.packets) == 2)
        assert recorder.packets[1].frame == b"\xff\xd8picture" and link.is_up
        assert link.send(Action(move=(0.5, -0.5), answers=2))
        assert await side.read() == [Action(move=(0.5, -0.5), answers=2)]
        assert (link.counters.packets, link.counters.frames, link.counters.actions_sent) == (2, 1, 1)

    play(script)


def test_a_rehearsal_sends_nothing_counts_nothing_and_leaves_half_a_packet_as_it_is() -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        link.rehearse(Action())
        side = await game.accept()
        whole = packet(2)
        await side.send(packet(1) + whole[:40])
        await recorder.until(lambda: len(recorder.packets) == 1)
        before = repr(link.counters)
        link.rehearse(Action(move=(1.0, 0.0), answers=1))
        assert repr(link.counters) == before
        await side.send(whole[40:])
        await recorder.until(lambda: len(recorder.packets) == 2)
        assert link.send(Action(answers=2)) and await side.read() == [Action(answers=2)]

    play(script)


async def _close(side: GameSide) -> None:
    side.socket.close()


async def _reset(side: GameSide) -> None:
    import struct

    side.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    side.socket.close()


async def _garbage(side: GameSide) -> None:
    await side.send(b"\xff\xff\xff\xff")


async def _half(side: GameSide) -> None:
    await side.send(packet(1)[:20])


@pytest.mark.parametrize(
    ("fault", "counter"), [(_close, "closed"), (_reset, "closed"), (_garbage, "corrupt"), (_half, "corrupt")]
)
def test_each_kind_of_ending_has_its_counter_and_is_healed(
    fault: Callable[[GameSide], Awaitable[None]], counter: str
) -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        side = await game.accept()
        await side.send(packet(1))
        await recorder.until(lambda: len(recorder.packets) == 1)
        await fault(side)
        again = await game.accept()
        await again.send(packet(2))
        await recorder.until(lambda: len(recorder.packets) == 2)
        counts = {n: getattr(link.counters, n) for n in ("closed", "corrupt", "timed_out", "refused", "dropped")}
        assert counts.pop(counter) == 1 and not any(counts.values())
        assert recorder.ups == 2 and len(recorder.downs) == 1

    play(script)


def test_a_packet_that_is_not_whole_in_time_is_a_framing_error_with_its_reason() -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        side = await game.accept()
        await side.send(packet(1)[:9])
        await until(lambda: link.counters.corrupt == 1)
        assert link.counters.corrupt_reasons == {"slow_packet": 1} and recorder.bad == ["slow_packet"]

    play(script)


def test_a_packet_that_comes_drop_by_drop_within_the_time_is_whole() -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        side = await game.accept()
        side.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = packet(1)
        for i in range(0, len(data), 16):
            await side.send(data[i : i + 16])
            await asyncio.sleep(0.001)
        await recorder.until(lambda: len(recorder.packets) == 1)
        assert link.counters.corrupt == 0

    play(script)


def test_nobody_listening_is_refused_and_tried_again_with_growing_jittered_waits() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        link = BonkLink(Endpoint("127.0.0.1", port), Recorder(), SystemClock(), policy=QUICK, rng=random.Random(1))
        async with running(link):
            await until(lambda: link.counters.refused >= 5)
        assert link.counters.connects == 0 and "nobody listens" in str(link.last_error)
        waits = [link._delay_s() for _ in range(200)]
        assert max(waits) <= QUICK.backoff_cap_loopback_s and len(set(waits)) > 100

    asyncio.run(main())


def test_a_game_that_reads_nothing_ends_the_connection_and_gets_nothing_stale() -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        side = await game.accept()
        side.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await until(lambda: link.is_up)
        sent = 0
        while link.is_up and sent < 200_000:
            link.send(Action(move=(sent % 7 / 7, 0.0)))
            sent += 1
            if sent % 200 == 0:
                await asyncio.sleep(0.001)
        assert link.counters.timed_out == 1
        assert link.counters.actions_blocked > 0
        fresh = await game.accept()
        await until(lambda: link.is_up)
        link.send(Action(move=(1.0, 1.0)))
        assert await fresh.read() == [Action(move=(1.0, 1.0))]

    play(script)


def test_the_last_word_of_a_closing_link_is_a_neutral_action() -> None:
    async def script(game: Listening, link: BonkLink, recorder: Recorder) -> None:
        side = await game.accept()
        await until(lambda: link.is_up)
        link.send(Action(move=(1.0, 0.0)))
        assert await side.read() == [Action(move=(1.0, 0.0))]
        link.close()
        assert await side.read() == [Action()]
        assert await side.read() == [None]

    play(script)


def test_a_machine_that_stood_still_starts_afresh_with_one_disconnection() -> None:
    """T16: the boot clock runs on while the monotonic one stands."""

    class Suspendable(SystemClock):
        asleep_s = 0.0

        def suspended_s(self) -> float:
            return self.asleep_s

    async def main() -> None:
        async with listening() as game:
            clock, recorder = Suspendable(), Recorder()
            link = BonkLink(Endpoint("127.0.0.1", game.port), recorder, clock, policy=QUICK)
            async with running(link):
                for round_ in range(3):
                    side = await game.accept()
                    await side.send(packet(round_))
                    await recorder.until(lambda n=round_: len(recorder.packets) == n + 1)
                    clock.asleep_s += 3600.0
                    assert await side.read() == [Action()]
                    assert await side.read() == [None]
                    await until(lambda n=round_: link.counters.dropped == n + 1)
                assert link.counters.corrupt == link.counters.closed == link.counters.timed_out == 0

    asyncio.run(main())


def storm(cycles: int, seconds: float) -> dict[str, list[int]]:
    """Connect and lose the connection `cycles` times; open files, tasks and memory at the tenths."""
    marks: dict[str, list[int]] = {"files": [], "tasks": [], "threads": [], "rss": []}
    process = psutil.Process()

    async def main() -> None:
        async with listening() as game:
            zero = LinkPolicy(backoff_first_s=0.0, backoff_cap_loopback_s=0.0, check_s=0.01)
            recorder = Recorder()
            link = BonkLink(Endpoint("127.0.0.1", game.port), recorder, SystemClock(), policy=zero)
            async with running(link), asyncio.timeout(seconds):
                for cycle in range(cycles):
                    side = await game.accept(10.0)
                    side.socket.close()
                    game._sides.clear()
                    recorder.downs.clear()
                    if cycle % (cycles // 10) == cycles // 10 - 1:
                        marks["files"].append(process.num_fds())
                        marks["tasks"].append(len(asyncio.all_tasks()))
                        marks["threads"].append(process.num_threads())
                        marks["rss"].append(process.memory_info().rss)
                await until(lambda: link.counters.connects >= cycles)

    asyncio.run(main())
    return marks


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil.Process, "num_fds"), reason="counts files by POSIX descriptors")
def test_ten_thousand_reconnects_leave_nothing_behind() -> None:
    """T13."""
    marks = storm(10_000, 100.0)
    assert max(marks["files"]) - min(marks["files"]) <= 2
    assert max(marks["tasks"]) - min(marks["tasks"]) <= 1
    assert len(set(marks["threads"])) == 1
    # Less than 5 bytes a cycle, and a page of the allocator's own.
    assert marks["rss"][-1] - marks["rss"][2] < 5 * 7000 + 65_536
