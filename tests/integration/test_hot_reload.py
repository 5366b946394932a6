"""A playing agent, a sealed file dropped into its weights folder, and one that is not sealed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from agent.commands.cli import run
from agent.control.untrained import untrained_tensors
from agent.store.store import WeightsStore

ROOT = Path(__file__).resolve().parents[2]


class Playing:
    """A running `play` with its page's address."""

    def __init__(self, child: subprocess.Popen[str], port: int) -> None:
        self.child, self.port = child, port
        self.said_at_the_end = ""

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=240) as answer:
            return dict(json.load(answer))


@contextlib.contextmanager
def playing(*arguments: str, folder: Path, token: str = "t" * 43) -> Iterator[Playing]:
    environ = os.environ | {"METABONK_WEIGHTS_DIR": str(folder), "METABONK_HTTP_TOKEN": token}
    command = [sys.executable, "-m", "agent", "play", "--http-port", "0", "--no-open-page", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        try:
            said = []
            for line in child.stderr:
                said.append(line)
                if match := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                    break
            else:
                raise AssertionError("".join(said))
            agent = Playing(child, int(match[1]))
            yield agent
            child.terminate()
            agent.said_at_the_end = child.stderr.read()
        finally:
            child.terminate()
            child.stderr.read()
            child.wait(240)


def until(holds: Any, seconds: float, every_s: float = 0.2) -> float:
    """Seconds until `holds()`, asked every so often; fails after `seconds`."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds
        time.sleep(every_s)
    return time.monotonic() - start


def says_that_nothing_learns(agent: Playing) -> None:
    """`--no-learn` starts no learner and tells workers so."""
    headers = {"Authorization": f"Bearer {'t' * 43}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{agent.port}/push_rollout", b"{}", headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=240)
    assert caught.value.code == 503 and b"--no-learn" in caught.value.read()
    assert "learner" not in agent.status()


@pytest.mark.slow
def test_a_sealed_file_is_live_within_a_second_and_cards_are_chosen_from_the_first_menu_on(tmp_path: Path) -> None:
    """One without manifest is refused. Active inference says that it chooses, and by which model."""
    folder, made = tmp_path / "weights", tmp_path / "made.safetensors"
    save_file(untrained_tensors(7), made)
    with playing("--game", "arena", "--policy", "pilot", "--no-learn", folder=folder) as agent:
        until(lambda: agent.status()["games"][0]["link"]["acted"] > 10, 300)
        assert agent.status()["policy_version"] == 1
        shutil.copy(made, folder / "mine.safetensors")
        until(lambda: "mine.safetensors" in agent.status()["weights"]["refused"], 300)
        assert "python -m agent weights seal" in agent.status()["weights"]["refused"]["mine.safetensors"]
        assert run(["weights", "seal", str(made)]) == 0
        shutil.copy(f"{made}.json", folder / "mine.safetensors.json")
        assert until(lambda: agent.status()["policy_version"] == 2, 300, 0.02) <= 1.2
        status = agent.status()
        assert status["weights"]["refused"] == {} and status["parts"]["parked"] == {}
        until(lambda: agent.status()["choices"]["cards_by"].get("active_inference", 0) >= 1, 300)
        choices, science = agent.status()["choices"], agent.status()["scientist"]
        assert choices["chooser"] == "active_inference" and choices["why"] == "" and choices["source"] == "shipped"
        assert not science["explores"] and science["epsilon"] == 0.0 and science["refused"] == ""
        assert {"G", "risk", "ambiguity", "information_gain", "by", "motor_card"} <= choices["last"].keys()
        says_that_nothing_learns(agent)
    _, stored = WeightsStore(folder).load("pilot")
    assert all((stored[name] == tensor).all() for name, tensor in load_file(made).items())


def test_what_is_no_pilot_cannot_be_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = untrained_tensors(0)
    save_file({k: v for k, v in tensors.items() if k != "trunk.0.bias"}, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"x" * 100)
    for name, reason in (("a", "trunk.0"), ("b", "not a safetensors file"), ("c", "no such file")):
        assert run(["weights", "seal", str(tmp_path / f"{name}.safetensors")]) == 2
        assert reason in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.slow
def test_the_pilot_learns_from_the_game_that_it_plays_and_every_step_names_its_version(tmp_path: Path) -> None:
    with playing("--game", "arena", "--policy", "untrained-pilot", folder=tmp_path) as agent:
        until(lambda: agent.status()["policy_version"] >= 2, 300)
        status = agent.status()
        assert status["learning"]["rollouts"] >= 1 and status["learning"]["overflowed"] >= 0
        losses = status["learner"]["losses"]["untrained-pilot"]
        assert losses.keys() >= {"policy_loss", "value_loss", "entropy"} and abs(losses["approx_kl"]) < 0.05
        assert "wm_kl" not in losses  # a policy that plays by PPO follows no dreams
        assert status["parts"] == {"faults": {}, "parked": {}} and status["weights"]["rollbacks"] == []
