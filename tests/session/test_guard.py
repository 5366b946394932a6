"""The guard's counting, the watchdog's last word (T17), and time that jumps (T15)."""

from __future__ import annotations

import asyncio
import gc
import io
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.concurrency.streams import SaidStream
from agent.core.clock import TICK_S, SystemClock, VirtualClock
from agent.core.latency import Latency
from agent.session import guard as guarding
from agent.session.guard import CollectionTimer, Watchdog, guard


class Noting(SystemClock):
    """The machine's clock, which keeps every instant at which it was asked."""

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    def now_s(self) -> float:
        self.asked_s.append(super().now_s())
        return self.asked_s[-1]


def test_ticks_that_the_loop_missed_are_counted_exactly_and_never_replayed() -> None:
    """However late a busy machine wakes the loop, every tick since the start had its turn or is counted, once."""

    async def main() -> None:
        clock, latency, turns, ticks = Noting(), Latency(), [0], []

        def alive() -> None:
            turns[0] += 1
            ticks.append((clock.asked_s[-1] - clock.asked_s[0]) / TICK_S)
            missed = latency.counters.get("missed_ticks", 0)
            assert turns[0] + missed == pytest.approx(math.floor(ticks[-1] + 1e-6), abs=1e-9)

        async def until(turn: int) -> None:
            while turns[0] < turn and not task.done():
                await asyncio.sleep(0.005)

        task = asyncio.ensure_future(guard([], clock, latency, alive))
        await until(6)
        before, missed_before = turns[0], latency.counters.get("missed_ticks", 0)
        time.sleep(0.3)
        await until(before + 3)
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert ticks[before] - ticks[before - 1] >= 17, "the loop stood still for 18 ticks"
        assert latency.counters["missed_ticks"] - missed_before >= 17

    asyncio.run(main())


def test_a_collection_is_timed() -> None:
    latency = Latency()
    with CollectionTimer(SystemClock(), latency):
        waste: list[object] = []
        for _ in range(200_000):
            waste.append([waste])
        del waste
        gc.collect()
    assert latency.summary()["gc_pause"].count >= 1
    assert not any(isinstance(getattr(c, "__self__", None), CollectionTimer) for c in gc.callbacks)


@pytest.mark.parametrize("step_ns", [3_600_000_000_000, -3_600_000_000_000, 1_000_000_000, -1_000_000_000])
@pytest.mark.parametrize("times", [1, 100, 3])
def test_a_wall_clock_that_steps_changes_nothing(step_ns: int, times: int) -> None:
    async def main() -> dict[str, int]:
        clock, latency = VirtualClock(), Latency()
        task = asyncio.ensure_future(guard([], clock, latency, lambda: None))
        await asyncio.sleep(0)
        for _ in range(times):
            clock.wall_offset_ns += step_ns
            await clock.advance(1 / 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return latency.counters

    assert asyncio.run(main()) == {}


HOG = """
import asyncio, sys, time
from agent.core.clock import SystemClock
from agent.core.latency import Latency
from agent.session.guard import Watchdog, guard

def the_guilty_function(seconds):
    end = time.monotonic() + seconds
    {body}

async def main():
    clock, latency = SystemClock(), Latency()
    with Watchdog(sys.stderr, clock, dump_after_s=0.1, exit_after_s={exit_after}) as dog:
        task = asyncio.ensure_future(guard([], clock, latency, dog.alive))
        await asyncio.sleep(0.3)
        begun = time.monotonic()
        the_guilty_function({seconds})
        held = time.monotonic() - begun
        await asyncio.sleep(0.2)
        task.cancel()
    print(latency.counters["missed_ticks"], round(60 * held))

asyncio.run(main())
"""


COMPUTES = "pace = time.monotonic(); sum(range(10**6)); sum(range(int(1e6 * seconds / (time.monotonic() - pace))))"
"""One call of compiled code that holds the GIL, for about so many seconds."""


def hog(body: str, seconds: float, exit_after: float | None) -> subprocess.CompletedProcess[str]:
    code = HOG.format(body=body, seconds=seconds, exit_after=exit_after)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(seconds)",
        "sum(i for i in iter(lambda: int(time.monotonic() < end), 0))",
        pytest.param(
            COMPUTES,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="a timer of processor time is POSIX"),
        ),
    ],
)
def test_the_watchdog_names_the_function_that_holds_the_loop(body: str) -> None:
    done = hog(body, 2.0, None)
    assert "the_guilty_function" in done.stderr
    missed, held = map(int, done.stdout.split())
    assert done.returncode == 0 and held - 5 <= missed <= held + 15


STOPPED = """
import sys, time
from agent.core.clock import SystemClock
from agent.session.guard import Watchdog

with Watchdog(sys.stderr, SystemClock(), dump_after_s=0.05, exit_after_s=1.0) as dog:
    print("up", flush=True)
    while not sys.stdin.closed:
        dog.alive()
        time.sleep(0.002)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_process_that_goes_on_after_it_was_stopped_walks_through_no_frames() -> None:
    """Those of other threads move on meanwhile: the walk can end the process."""
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None and process.stdout.readline() == b"up\n"
        for _ in range(10):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.3)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        assert process.poll() is None
        process.kill()
        said = process.stderr.read().decode()
    assert "nothing of this process ran for" in said and "most recent call first" not in said


@pytest.mark.slow
def test_a_loop_that_stands_still_for_long_ends_the_process_with_70() -> None:
    done = hog("time.sleep(seconds)", 30.0, 1.0)
    assert done.returncode == 70 and "stood still" in done.stderr and "the_guilty_function" in done.stderr


@pytest.mark.parametrize("stopped", [True, False])
def test_a_process_that_was_stopped_and_goes_on_is_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    exits = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: exits.set())
    monkeypatch.setattr(guarding.faulthandler, "dump_traceback", lambda file: None)
    clock = VirtualClock()
    with (tmp_path / "said").open("w") as file, Watchdog(file, clock, dump_after_s=0.04, exit_after_s=0.1) as dog:
        dog._alive_s = clock.now_s()
        time.sleep(0.05)
        if stopped:  # the patrol's own clock jumps, as it does where the whole process stood still
            clock._now_s += 60.0
        for _ in range(40):
            time.sleep(0.01)
            if not stopped:
                clock._now_s += 0.01
        assert exits.is_set() != stopped
    assert ("nothing of this process ran for 60.0 s" in (tmp_path / "said").read_text()) == stopped


def test_the_last_word_is_written_before_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.2)
            return super().write(text)

    ended, written, terminal, clock = threading.Event(), [""], Slow(), VirtualClock()

    def end(code: int) -> None:
        if not ended.is_set():
            written[0] = f"{terminal.getvalue()}{code}"
            ended.set()

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(guarding.faulthandler, "dump_traceback", lambda file: None)
    monkeypatch.setattr(guarding, "HAS_CPU_TIMER", False)
    monkeypatch.setattr(guarding.faulthandler, "dump_traceback_later", lambda seconds, file: None)
    said: Any = SaidStream(terminal)
    with Watchdog(said, clock, dump_after_s=0.04, exit_after_s=0.1):
        while not ended.wait(0.01):
            clock._now_s += 0.01
    assert "stood still" in written[0] and written[0].endswith("exit 70\n70")
