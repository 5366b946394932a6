"""Mailbox, clock and latency: the small parts that everything stands on."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest
from hdrh.histogram import HdrHistogram

from agent.core.clock import SystemClock, VirtualClock
from agent.core.latency import Cause, Latency, Stage, Walk
from agent.core.mailbox import Latest, ThreadQueue


def test_a_mailbox_keeps_the_newest_and_counts_what_it_replaces() -> None:
    box: Latest[int] = Latest()
    assert box.put(1) is None
    assert box.put(2) == 1
    assert (box.take(), box.take(), box.overwritten, box.put_total) == (2, None, 1, 2)


def test_a_reader_waits_until_something_comes() -> None:
    async def main() -> int:
        box: Latest[int] = Latest()
        reader = asyncio.ensure_future(box.get())
        await asyncio.sleep(0)
        assert not reader.done()
        box.put(7)
        return await reader

    assert asyncio.run(main()) == 7


def test_a_second_reader_is_refused() -> None:
    async def main() -> None:
        box: Latest[int] = Latest()
        first = asyncio.ensure_future(box.get())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one reader"):
            await box.get()
        first.cancel()

    asyncio.run(main())


def test_a_cancelled_reader_leaves_the_value_for_the_next() -> None:
    async def main() -> int | None:
        box: Latest[int] = Latest()
        reader = asyncio.ensure_future(box.get())
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        box.put(3)
        return await box.get()

    assert asyncio.run(main()) == 3


def test_a_queue_from_a_thread_keeps_the_newest_in_order_and_counts_what_went() -> None:
    async def main() -> tuple[list[int], int]:
        queue: ThreadQueue[int] = ThreadQueue(3)
        thread = threading.Thread(target=lambda: [queue.put(n) for n in range(5)])
        thread.start()
        thread.join()
        return [await queue.get() for _ in range(len(queue))], queue.dropped

    assert asyncio.run(main()) == ([2, 3, 4], 2)


def test_a_queue_wakes_its_reader_from_another_thread_and_outlives_a_cancelled_one() -> None:
    async def main() -> list[int]:
        queue: ThreadQueue[int] = ThreadQueue(8)
        cancelled = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        reader = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        thread = threading.Thread(target=queue.put, args=(1,))
        thread.start()
        first = await asyncio.wait_for(reader, 60)
        thread.join()
        for n in range(2, 2000):
            queue.put(n) if n % 2 else await asyncio.to_thread(queue.put, n)
            assert await asyncio.wait_for(queue.get(), 60) == n
        return [first, queue.dropped]

    assert asyncio.run(main()) == [1, 0]


def test_the_virtual_clock_wakes_sleepers_in_the_order_of_their_deadlines() -> None:
    async def main() -> list[tuple[str, float]]:
        clock, woken = VirtualClock(), []

        async def sleeper(name: str, at_s: float) -> None:
            await clock.sleep_until(at_s)
            woken.append((name, clock.now_s()))

        tasks = [asyncio.ensure_future(sleeper(n, s)) for n, s in (("c", 3.0), ("a", 1.0), ("b", 2.0))]
        await asyncio.sleep(0)
        await clock.advance(2.5)
        assert woken == [("a", 1.0), ("b", 2.0)] and clock.now_s() == 2.5
        await clock.advance(1.0)
        await asyncio.gather(*tasks)
        return woken

    assert asyncio.run(main())[-1] == ("c", 3.0)


def test_the_system_clock_never_goes_back_and_sleeps_at_least_as_long_as_asked() -> None:
    async def main() -> float:
        clock = SystemClock()
        due_s = clock.now_s() + 0.01
        await clock.sleep_until(due_s)
        await clock.sleep_until(due_s - 1)
        return clock.now_s() - due_s

    assert asyncio.run(main()) >= 0


def walk(*instants_ms: float) -> Walk:
    return Walk(*(t / 1e3 for t in instants_ms))


def test_an_answer_in_time_is_recorded_and_misses_nothing() -> None:
    latency = Latency()
    assert latency.record_walk(walk(0, 1, 2, 4, 5, 6), 0.016) is None
    summary = latency.summary()
    assert summary["policy"].p50_ms == pytest.approx(2, rel=0.01)
    assert summary["frame_to_action"].max_ms == pytest.approx(6, rel=0.01)
    assert sum(latency.missed.values()) == 0


def test_percentiles_are_those_of_the_histogram_and_cost_no_walk_over_its_buckets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, latency, plain = random.Random(3), Latency(), HdrHistogram(1, 60_000_000, 3)
    for _ in range(3000):
        us = round(10 ** rng.uniform(0, 7.9))
        latency.record(Stage.QUEUE, us * 1e-6)
        plain.record_value(min(us, 60_000_000))
    wanted = [plain.get_value_at_percentile(share) / 1e3 for share in (50, 90, 99)]
    monkeypatch.setattr(HdrHistogram, "get_count_at_index", lambda self, index: pytest.fail("one bucket in Python"))
    found = latency.summary()["queue"]
    assert [found.p50_ms, found.p90_ms, found.p99_ms] == wanted


@pytest.mark.parametrize(
    ("instants", "cause"),
    [
        ((0, 20, 21, 22, 23, 24), Cause.DECODE),
        ((0, 1, 21, 22, 23, 24), Cause.QUEUE),
        ((0, 1, 2, 32, 33, 34), Cause.POLICY),
        ((0, 1, 2, 3, 33, 34), Cause.LOOP_LAG),
        ((0, 1, 2, 3, 4, 34), Cause.SEND),
    ],
)
def test_a_missed_deadline_is_blamed_on_its_longest_stage(instants: tuple[float, ...], cause: Cause) -> None:
    latency = Latency()
    assert latency.record_walk(walk(*instants), 0.016) is cause
    assert latency.missed[cause] == 1 and latency.consecutive_missed == 1


def test_a_collection_within_the_walk_takes_the_blame() -> None:
    latency = Latency()
    latency.gc_pauses.add(0.003, 0.028)
    assert latency.record_walk(walk(0, 1, 2, 30, 31, 32), 0.016) is Cause.GARBAGE_COLLECTION


def test_a_late_loop_takes_the_blame_for_what_waited_on_it() -> None:
    latency = Latency()
    latency.lag_pauses.add(0.001, 0.021)
    assert latency.record_walk(walk(0, 1, 21, 22, 23, 24), 0.016) is Cause.LOOP_LAG


def test_the_longest_run_of_misses_is_kept() -> None:
    latency = Latency()
    for late in (True, True, True, False, True):
        latency.record_walk(walk(0, 1, 2, 30 if late else 3, 31 if late else 4, 32 if late else 5), 0.016)
    assert (latency.longest_missed_run, latency.consecutive_missed) == (3, 1)


def test_every_record_is_counted() -> None:
    latency = Latency()
    for ms in (1, 2, 2, 3):
        latency.record(Stage.SEND, ms / 1e3)
    assert latency.summary()[Stage.SEND.value].count == 4
