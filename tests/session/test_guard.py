"""The guard's counting, the watchdog's last word (T17), and time that jumps (T15)."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.concurrency.streams import SaidStream
from agent.core.clock import SystemClock, VirtualClock
from agent.core.latency import Latency
from agent.session import guard as guarding
from agent.session.guard import CollectionTimer, Watchdog, guard


def test_ticks_that_the_loop_missed_are_counted_exactly_and_never_replayed() -> None:
    async def main() -> tuple[int, int]:
        clock, latency, turns = SystemClock(), Latency(), [0]

        def alive() -> None:
            turns[0] += 1

        task = asyncio.ensure_future(guard([], clock, latency, alive))
        await asyncio.sleep(0.1)
        before = turns[0]
        time.sleep(0.3)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return latency.counters["missed_ticks"], turns[0] - before

    missed, after = asyncio.run(main())
    assert 17 <= missed <= 19
    assert after <= 6


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
    with Watchdog(sys.stderr, clock, dump_after_s=0.4, exit_after_s={exit_after}) as dog:
        task = asyncio.ensure_future(guard([], clock, latency, dog.alive))
        await asyncio.sleep(0.3)
        the_guilty_function({seconds})
        await asyncio.sleep(0.2)
        task.cancel()
    print(latency.counters["missed_ticks"])

asyncio.run(main())
"""


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
            "import ctypes; ctypes.PyDLL(None).usleep(int(seconds * 1e6))",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="usleep, with the GIL held, is POSIX"),
        ),
    ],
)
def test_the_watchdog_names_the_function_that_holds_the_loop(body: str) -> None:
    done = hog(body, 1.5, None)
    assert "the_guilty_function" in done.stderr
    assert ("Timeout" in done.stderr) == ("PyDLL" in body), "the timer is for compiled code that holds the GIL"
    assert done.returncode == 0 and 85 <= int(done.stdout) <= 105


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
    monkeypatch.setattr(guarding.faulthandler, "dump_traceback_later", lambda seconds, file: None)
    said: Any = SaidStream(terminal)
    with Watchdog(said, clock, dump_after_s=0.04, exit_after_s=0.1):
        while not ended.wait(0.01):
            clock._now_s += 0.01
    assert "stood still" in written[0] and written[0].endswith("exit 70\n70")
