"""Games in processes of their own: they start, say where they are, and end with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from agent.core.errors import GameError, SettingsError
from agent.games.hosting import HostedProcess, build_game
from agent.games.options import HostOptions

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import sys, time
from agent.games.hosting import HostedProcess
from agent.games.options import HostOptions
host = HostedProcess(HostOptions())
host.port()
print(host.pid, flush=True)
time.sleep(60)
"""


def test_a_hosted_game_is_another_process_and_ends_with_its_context() -> None:
    with HostedProcess(HostOptions(game="gym:CartPole-v1")) as host:
        port = host.port()
        assert port > 0 and host.pid != os.getpid() and psutil.pid_exists(host.pid)
    assert host.summary is not None and host.summary["ticks"] >= 0 and not psutil.pid_exists(host.pid)


@pytest.mark.parametrize(("spec", "named"), [("arna", "arena"), ("gym:CartPol-v1", "CartPole")])
def test_a_game_that_cannot_start_says_why(spec: str, named: str) -> None:
    with HostedProcess(HostOptions(game=spec)) as host, pytest.raises(GameError, match=named):
        host.port()
    if not spec.startswith("gym:"):
        with pytest.raises(SettingsError, match=named):
            build_game(HostOptions(game=spec))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_game_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail("the game outlived its parent by ten seconds")
