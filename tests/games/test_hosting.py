"""Games in processes of their own: they start, say where they are, and end with whoever started them."""

from __future__ import annotations

import io
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from agent.core.errors import GameError, SettingsError, UserCodeError
from agent.core.types import NEUTRAL
from agent.games import hosting
from agent.games.hosting import HostedProcess, Listening, build_game
from agent.games.options import HostOptions

ROOT = Path(__file__).resolve().parents[2]
TALKS = """
import os, sys
import gymnasium, numpy as np

class Talks(gymnasium.Env):
    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(0, 255, (84, 84, 3), np.uint8)

    def __init__(self):
        print("made"); os.write(1, b"from compiled code\\n"); print("reads", repr(sys.stdin.read()))

    def reset(self, *, seed=None, options=None):
        self.at = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.at += 1
        if self.at == 30:
            print("the last words", flush=True)
            os._exit(3)
        return self.observation_space.sample(), REWARD, False, False, {}
"""
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
        assert host.doing == "gym:CartPole-v1 is made and reset"
        assert port > 0 and host.pid != os.getpid() and psutil.pid_exists(host.pid)
    assert host.summary is not None and host.summary["ticks"] >= 0 and not psutil.pid_exists(host.pid)


@pytest.mark.parametrize(("spec", "named"), [("arna", "arena"), ("gym:CartPol-v1", "CartPole")])
def test_a_game_that_cannot_start_says_why(spec: str, named: str) -> None:
    with HostedProcess(HostOptions(game=spec)) as host, pytest.raises(GameError, match=named):
        host.port()
    if not spec.startswith("gym:"):
        with pytest.raises(SettingsError, match=named):
            build_game(HostOptions(game=spec))


def test_an_arena_says_what_it_compiles_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def made(**given: Any) -> Any:
        said.append("made")
        raise GameError("enough")

    monkeypatch.setattr("agent.games.arena.compiling.compile_arena", lambda say: say("the arena's rules"))
    monkeypatch.setattr("agent.games.arena.game.ArenaGame", made)
    with pytest.raises(GameError):
        build_game(HostOptions(), said.append)
    assert said == ["the arena's rules", "made"]


@pytest.mark.slow
def test_what_a_game_prints_is_logged_its_end_is_told_with_its_last_words_and_it_starts_anew_at_its_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "talks.py").write_text(TALKS.replace("REWARD", "1.0"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ends = queue.SimpleQueue[bool]()
    with structlog.testing.capture_logs() as logged, HostedProcess(HostOptions(game="talks:Talks")) as host:
        port = host.port()
        host.watch(lambda: ends.put(True))
        ends.get(timeout=60)
        assert host.why() == "talks:Talks: the game's process ended with code 3, having said: the last words"
        said = [entry["line"] for entry in logged if entry["event"] == "game_says"]
        assert said == ["made", "from compiled code", "reads ''", "the last words"]
        host.again()
        assert host.is_up and host.port() == port


@pytest.mark.parametrize(("reward", "said"), [("1e39", "reward 1e+39"), ("1 / 0", "ZeroDivisionError")])
def test_a_reward_that_is_none_is_said_where_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reward: str, said: str
) -> None:
    name = f"talks_{len(reward)}"
    (tmp_path / f"{name}.py").write_text(TALKS.replace("REWARD", reward), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    game = build_game(HostOptions(game=f"{name}:Talks"))
    with pytest.raises((GameError, UserCodeError), match=re.escape(said)):
        game.tick(NEUTRAL)
    game.close()


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


def test_a_step_that_never_returns_does_not_outlive_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows nothing above the game would end it."""

    class Gone:
        def listen(self, take: Any, end: Any) -> None:
            threading.Thread(target=end).start()

    ended, codes = threading.Event(), list[int]()

    async def held(*given: Any) -> dict[str, Any]:
        return {"ended": ended.wait(60)}

    monkeypatch.setattr(hosting, "LEFT_S", 0.05)
    monkeypatch.setattr(hosting.os, "_exit", lambda code: (codes.append(code), ended.set()))
    monkeypatch.setattr(hosting, "_stop_on_signals", lambda stop: None)
    monkeypatch.setattr(hosting, "build_game", lambda options, say: None)
    monkeypatch.setattr(hosting, "_serve", held)
    parent: Any = Gone()
    assert hosting.host(HostOptions(), lambda port, game: None, parent=parent) == {"ended": True} and codes == [1]


def test_a_start_is_waited_for_in_slices_so_that_ctrl_c_is_answered_on_windows() -> None:
    waits: list[float] = []

    class Silent:
        def get(self, timeout: float) -> Listening:
            waits.append(timeout)
            if len(waits) < 3:
                raise queue.Empty
            return Listening(port=7)

    host: Any = HostedProcess.__new__(HostedProcess)
    host.options, host._port, host._told = HostOptions(), None, Silent()
    assert host.port() == 7 and max(waits) <= 0.2
    host._port, host._told = None, queue.SimpleQueue()
    with pytest.raises(GameError, match="did not start within 0 s"):
        host.port(0.01)
