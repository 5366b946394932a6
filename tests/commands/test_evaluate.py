"""`evaluate`: a report of whole episodes, and the way over the socket with the policy as it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.commands import evaluate as module
from agent.commands.cli import run
from agent.commands.play import PlayOptions

CART_POLE = ("evaluate", "--game", "gym:CartPole-v1", "--policy", "random", "--episodes", "2")


def test_the_statistics_are_printed_and_the_report_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.json"
    assert run([*CART_POLE, "--seed", "3", "--report", str(path)]) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == report["statistics"]
    assert (report["episodes"], report["seed"], report["policy"]) == (2, 3, "random")


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def played(*given: Any, **named: Any) -> int:
        raise AssertionError("the work was begun")

    monkeypatch.setattr(module, "_evaluate_in_lock_step", played)
    monkeypatch.setattr(module, "play_session", played)
    for more in ((), ("--real-time",)):
        assert run([*CART_POLE, *more, "--report", str(tmp_path / "no" / "r.json")]) == 2
        said = capsys.readouterr().err
        assert "does not exist; make it first" in said and len(said.splitlines()) == 1


FALLS = """
import gymnasium, numpy as np, os, signal

class Falls(gymnasium.Env):
    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(0, 255, (84, 84, 3), np.uint8)
    steps = 0

    def __init__(self):
        print("helper", os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 600"], os.environ, setsid=True))

    def reset(self, *, seed=None, options=None):
        self.at = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.at += 1
        self.steps += 1
        if self.steps == 25:
            END
        return self.observation_space.sample(), 1.0, self.at == 10, False, {}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
@pytest.mark.parametrize(
    ("name", "end", "code", "why"),
    [
        ("falls_down", "raise ValueError('no floor')", 2, "step raised ValueError: no floor"),
        ("falls_out", "os.kill(os.getpid(), signal.SIGTERM)", 143, "interrupted"),
    ],
)
def test_one_that_is_broken_off_writes_the_episodes_that_it_has_and_leaves_no_helper(
    name: str, end: str, code: int, why: str, tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{name}.py").write_text(FALLS.replace("END", end), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = ("evaluate", "--game", f"{name}:Falls", "--policy", "random", "--episodes", "5", "--report", "r.json")
    assert run(arguments) == code
    said = capfd.readouterr()
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [r["episode_return"] for r in report["results"]] == [10.0, 10.0] and report["episodes"] == 5
    assert why in report["broken_off"] and "broken off after 2 of 5 episodes, kept in r.json" in said.err
    assert json.loads(said.out) == report["statistics"], "what the game prints stays out of it"
    helper = int(said.err.split("helper ")[1].split()[0])
    assert not psutil.pid_exists(helper) or psutil.Process(helper).status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="standard output as a file")
def test_a_report_to_standard_output_goes_there_after_the_results(capfd: Any) -> None:
    assert run([*CART_POLE, "--report", "/dev/stdout"]) == 0
    said = capfd.readouterr()
    statistics, end = json.JSONDecoder().raw_decode(said.out)
    report = json.loads(said.out[end:])
    assert report["statistics"] == statistics and '"schema"' not in said.err


def test_over_the_socket_nothing_is_learned_and_no_page_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(module, "play_session", lambda options, measured: asked.append((options, measured)) or 0)
    assert run([*CART_POLE, "--seed", "3", "--real-time", "--capture", "90x84"]) == 0
    options = PlayOptions(
        game="gym:CartPole-v1", policy="random", episodes=2, seed=3, capture="90x84", learn=False, open_page=False,
        http_port=0,
    )  # fmt: skip
    assert asked == [(options, True)]


def test_a_game_elsewhere_is_played_in_real_time_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "--game", "bonklink://127.0.0.1:5"]) == 2
    assert "add --real-time" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_results_are_printed_before_a_report_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--game", "gym:CartPole-v1", "--policy", "random", "--episodes", "1", "--report", "/dev/full"]
    assert run(words) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["survival_s"]["iqm"] > 0 and "--report /dev/full: No space left" in said.err


def test_returns_are_of_the_table_of_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, mine = tmp_path / "r.json", tmp_path / "mine.toml"
    mine.write_text("kill = 1.0\n", encoding="utf-8")
    monkeypatch.setenv("METABONK_REWARD_TABLE", str(mine))
    assert run(["evaluate", "--policy", "random", "--episodes", "1", "--report", str(report)]) == 0
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["reward"] == "mine"
    assert told["results"][0]["episode_return"] == told["results"][0]["kills"] > 0
