"""A kept process: started again when it is killed, found by the next keeper, ended with what it started."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from agent.cluster.keeper import Keeper
from agent.core.clock import VirtualClock
from tests.waiting import until

SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
ENDS = [sys.executable, "-S", "-c", ""]
STARTS_ONE = [
    sys.executable, "-S", "-c",
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']); "
    "print('there', flush=True); time.sleep(600)",
]  # fmt: skip


def later(clock: VirtualClock, seconds: float) -> None:
    asyncio.run(clock.advance(seconds))


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_found_by_the_next_keeper(tmp_path: Path) -> None:
    clock = VirtualClock()
    keeper = Keeper("one", SLEEPS, tmp_path, clock)
    assert keeper.ensure() and keeper.ensure() and keeper.starts == 1
    first = keeper.pid
    assert os.getsid(first) == first  # it outlives who keeps it
    os.kill(first, signal.SIGKILL)
    until(lambda: not keeper.is_up)
    assert not keeper.ensure()  # it ended soon after its start: later
    later(clock, 1.1)
    assert keeper.ensure() and keeper.pid != first and keeper.starts == 2
    after = Keeper("one", SLEEPS, tmp_path, VirtualClock())
    assert after.ensure() and after.pid == keeper.pid and (after.starts, after.adopted) == (0, 1)
    other = Keeper("one", [*SLEEPS, "more"], tmp_path, VirtualClock())
    assert other.ensure() and other.pid != keeper.pid and not keeper.is_up  # another command takes its place
    other.stop()
    assert not other.is_up and other.found() is None and not list(tmp_path.glob("*.json"))


@pytest.mark.slow
def test_a_process_that_ends_at_once_is_started_ever_later(tmp_path: Path) -> None:
    clock = VirtualClock()
    keeper = Keeper("one", ENDS, tmp_path, clock)
    waits = []
    keeper.ensure()
    for _ in range(3):
        until(lambda: not keeper.is_up)
        since_s = clock.now_s()
        while not keeper.ensure():
            later(clock, 0.5)
        waits.append(clock.now_s() - since_s)
    until(lambda: not keeper.is_up)
    assert waits == [1.0, 2.0, 5.0]


@pytest.mark.slow
def test_the_end_of_a_process_is_that_of_what_it_started(tmp_path: Path) -> None:
    keeper = Keeper("one", STARTS_ONE, tmp_path, VirtualClock())
    keeper.ensure()
    until(lambda: "there" in (tmp_path / "one.log").read_text())
    below = psutil.Process(keeper.pid).children()
    assert len(below) == 1
    keeper.stop()
    until(lambda: not below[0].is_running() or below[0].status() == psutil.STATUS_ZOMBIE)


def test_another_process_with_the_number_of_a_kept_one_is_not_it(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(f'{{"pid": {os.getpid()}, "began_s": 1.0, "words": []}}')
    assert Keeper("one", SLEEPS, tmp_path, VirtualClock()).found() is None
    (tmp_path / "one.json").write_text("no")
    assert Keeper("one", SLEEPS, tmp_path, VirtualClock()).found() is None
