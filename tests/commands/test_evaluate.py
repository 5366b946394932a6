"""`evaluate`: a report of whole episodes, and the way over the socket with the policy as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
