"""How Ray is started: no dashboard, a token for every connection, no broad end of what others run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from agent.cluster import nodes
from agent.cluster.keeper import Keeper
from agent.cluster.nodes import Node, ray_env, ray_words
from agent.cluster.plan import Placed, ray_token
from agent.core.clock import VirtualClock
from tests.waiting import until


def test_rays_head_has_no_dashboard_and_every_process_the_token() -> None:
    words = ray_words("10.0.0.1", "", 6379, 2)
    assert "--include-dashboard=false" in words and "--head" in words
    joins = ray_words("10.0.0.2", "10.0.0.1", 6379, 2)
    assert "--head" not in joins and joins[joins.index("--address") + 1] == "10.0.0.1:6379"
    env = ray_env("secret" * 4)
    assert (env["RAY_AUTH_MODE"], env["RAY_AUTH_TOKEN"]) == ("token", ray_token("secret" * 4))
    assert "secret" not in " ".join([*words, *joins])  # a command line is read by everyone on the machine


def test_a_machine_keeps_on_where_ray_cannot_be_reached_and_ends_when_told(tmp_path: Path, monkeypatch: Any) -> None:
    looks: list[bool] = []

    def look(self: Node, placed: Any, connected: bool) -> str:
        looks.append(connected)
        if len(looks) == 2:
            raise ConnectionError("Ray's head is gone")
        return nodes.DOWN if len(looks) == 5 else ""

    monkeypatch.setattr(Node, "_look", look)
    monkeypatch.setattr(Node, "_clock_wait", lambda self, seconds, ended: None)
    monkeypatch.setattr(Keeper, "is_up", property(lambda self: True))
    monkeypatch.setattr(nodes, "disconnect", lambda: None)
    node = Node("10.0.0.2", "10.0.0.1", 1, "t" * 20, tmp_path, VirtualClock(), cpus=1)
    assert node.keep([Placed("w", ["w"], 0.0)], lambda: False) == "down"
    assert looks == [False, True, False, True, True]  # after a failure it connects anew


@pytest.mark.slow
def test_only_what_a_killed_ray_of_ours_left_is_ended(tmp_path: Path) -> None:
    (tmp_path / "raylet").symlink_to(sys.executable)
    words = [str(tmp_path / "raylet"), "-S", "-c", "import time; time.sleep(600)"]
    ours, other = (subprocess.Popen(words, env={nodes.MARK: mark}) for mark in ("a", "b"))
    until(lambda: all(psutil.Process(p.pid).name() == "raylet" for p in (ours, other)))
    nodes.end_leftovers("a")
    until(lambda: ours.poll() is not None)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_ray_has_the_token_and_leaves_signals_to_what_keeps_the_machine(monkeypatch: Any) -> None:
    for name in ray_env("t"):
        monkeypatch.setenv(name, "")
    told: dict[str, Any] = {}

    def init(**options: Any) -> None:
        told.update(options, token=os.environ["RAY_AUTH_TOKEN"])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    before = signal.getsignal(signal.SIGTERM)
    nodes.connect("10.0.0.1:1", "secret", "10.0.0.2")
    assert signal.getsignal(signal.SIGTERM) == before
    assert (told["token"], told["address"]) == (ray_token("secret"), "10.0.0.1:1")


def test_an_actor_keeps_its_process_and_ends_with_it(tmp_path: Path, monkeypatch: Any) -> None:
    told: list[str] = []
    double: Any = SimpleNamespace(
        ensure=lambda: told.append("ensure"), stop=lambda: told.append("stop"), status=lambda: {"up": True}
    )
    monkeypatch.setattr(nodes, "Keeper", lambda *a, **k: double)
    actor = nodes.KeeperActor(Placed("w", ["w"], 0.0), str(tmp_path), {})
    assert actor.status()["up"] and actor.stop()
    actor._thread.join(60)
    assert told[-1] == "stop" and not actor._thread.is_alive()
