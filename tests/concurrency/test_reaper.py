"""No process of a game outlives it, and no game its parent: helpers, compiled code that never returns, stopped ones."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from agent.concurrency.child import ChildProcess
from agent.concurrency.reaper import GRACE_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a reaper forks")
ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.concurrency.stubborn_child"
PARENT = f"""
import time
from agent.concurrency.child import ChildProcess
for how in ("helpers", "native", "stopped"):
    ChildProcess(how, "{MODULE}", [how], on_frame=print, on_end=print, on_line=lambda s: print(s, flush=True),
                 reaped=True)
time.sleep(600)
"""


def are_gone(pids: list[int], within_s: float = 60.0) -> bool:
    """True where all ended; zombies that nobody above them takes are ended ones."""
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    alive = psutil.wait_procs(processes, timeout=0.1)[1]
    for _ in range(int(within_s / 0.1)):
        alive = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        if not alive:
            return True
        psutil.wait_procs(alive, timeout=0.1)
    return False


class Started:
    """A stubborn child below its reaper, once it has said its pids."""

    def __init__(self, how: str) -> None:
        self.ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.process = ChildProcess(
            how, MODULE, [how], on_frame=lambda frame: None, on_end=self.ended.put, on_line=lines.put, reaped=True
        )
        word, *pids = lines.get(timeout=60).split()
        assert word == "pids"
        self.pids = [int(pid) for pid in pids]


@pytest.mark.parametrize(("how", "code"), [("ends", 7), ("aborts", -signal.SIGABRT)])
def test_the_end_of_a_child_is_told_with_its_code_and_nothing_is_left(how: str, code: int) -> None:
    child = Started(how)
    assert child.ended.get(timeout=60) == code == child.process.exit_code
    assert are_gone([child.process.pid, *child.pids])


@pytest.mark.parametrize("how", ["helpers", "native"])
def test_a_child_that_does_not_end_is_killed_with_all_that_it_started(how: str) -> None:
    child = Started(how)
    child.process.close(0.1)
    assert child.ended.get(timeout=60) < 0
    assert are_gone([child.process.pid, *child.pids])


def test_whoever_kills_the_reaper_leaves_nothing_of_its_session() -> None:
    child = Started("helpers")
    game, helper, apart = child.pids
    psutil.Process(child.process.pid).kill()
    assert child.ended.get(timeout=60) == -signal.SIGKILL
    assert are_gone([child.process.pid, game, helper])
    psutil.Process(apart).kill()  # nobody is left who knows of it


def test_a_parent_that_is_killed_takes_its_children_along() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        said = [parent.stdout.readline().split() for _ in range(3)]
        pids = [int(pid) for line in said for pid in line[1:]]
        assert len(pids) == 5 and all(psutil.pid_exists(pid) for pid in pids)
        parent.kill()
    assert 1.0 < GRACE_S < 8.0, "ends take less than ten seconds"
    assert are_gone(pids)
