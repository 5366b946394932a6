"""`play`: what its exit code says."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from agent import app
from agent.commands import play as command
from agent.commands.cli import run
from agent.concurrency.card import Dry
from agent.control.motor import save_pilot
from agent.control.untrained import untrained_tensors
from agent.core import compiled
from agent.core.errors import GameError, SettingsError
from agent.models.quantised import round_four
from agent.session.options import SessionOptions


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] if sys.platform != "win32" else [])
def test_one_that_is_ended_before_anything_is_played_ends_with_the_signals_number(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = app.Stopping()

    async def play() -> dict[str, Any]:
        stopping.stop_by_signal(number)
        return {"first_action_s": None, "ended_by": stopping.by}

    session = SimpleNamespace(run=play, stopping=stopping)
    monkeypatch.setattr(app, "build_session", lambda *given, **named: session)
    assert run(["play", "--game", "bonklink://127.0.0.1:1", "--policy", "random", "--no-http"]) == 128 + number
    assert "Interrupted before anything was played" in capsys.readouterr().err


@pytest.mark.slow
def test_a_whole_session_and_an_exchange_of_weights_in_it_stay_on_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "dry run: cfc_cell reference ×1, w4a16_linear reference ×5"
    monkeypatch.setattr(command, "cuda_card", Dry)
    monkeypatch.setattr("agent.session.captured.measure", lambda *given: {"numba fp32": 20.0, name: 5.0})
    monkeypatch.setenv("METABONK_WEIGHTS_DIR", str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    weights, report = tmp_path / "four.safetensors", tmp_path / "r.json"
    for seed, path in enumerate((weights, tmp_path / "store" / "dropped.safetensors")):
        save_pilot(path, round_four(untrained_tensors(seed), "int4"), {}, created_by="a test")
    played = ["play", "--game", "arena", "--weights", str(weights), "--seconds", "2", "--no-http", "--no-learn"]
    with capture_logs() as said:
        assert run([*played, "--report", str(report)]) == 0
    told = [(line["kept_s"], line["leave_it_by"]) for line in said if line["event"] == "recording"]
    assert told == [(600.0, "--no-record")]
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["policy_path"]["path"] == name and written["policy_version"] == 2
    assert written["games"][0]["link"]["acted"] > 9


@pytest.mark.parametrize(
    "words",
    [["play", "--no-http"], ["evaluate"], ["evaluate", "--real-time"], ["train", "--steps", "9", "--out", "o"]],
)
def test_a_reward_table_that_is_none_is_refused_before_anything_starts(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METABONK_REWARD_TABLE", "scor")
    assert run([*words, "--game", "arena"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "did you mean score" in said[0] and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variable", "value", "goal", "said"),
    [
        ("METABONK_LLM_BASE_URL", "nonsense", "level 3", "METABONK_LLM_BASE_URL='nonsense'"),
        ("METABONK_LLM_BACKEND", "openai", "level 3", "needs METABONK_LLM_BASE_URL"),
        ("METABONK_SIMA2_GOAL", "level 3", "a\x1b[2J" * 2000, "1 to 200 printable characters"),
        ("METABONK_USE_SIMA2", "0", "level 3", "--goal 'level 3': nothing plans here: METABONK_USE_SIMA2=0"),
        ("METABONK_USE_SIMA2", "0", "a" * 10_000, "1 to 200 printable characters"),
    ],
)
def test_a_goal_or_a_model_that_cannot_be_is_refused_in_a_line_before_a_game_starts(
    variable: str, value: str, goal: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("agent.commands.games.Games", None)
    assert run(["play", "--game", "arena", "--policy", "random", "--no-http", "--goal", goal]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and len(told) < 300


def test_play_pays_by_the_table_of_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def build(options: SessionOptions, *given: Any, **named: Any) -> Any:
        asked.append(options.reward.name)
        raise SettingsError("enough")

    monkeypatch.setattr(app, "build_session", build)
    for name in ("score", "counters"):
        monkeypatch.setenv("METABONK_REWARD_TABLE", name)
        assert run(["play", "--game", "bonklink://127.0.0.1:1", "--policy", "random", "--no-http", "--no-record"]) == 2
    assert asked == ["score", "counters"]


def test_play_says_what_is_compiled_and_what_its_game_does_meanwhile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hosted:
        doing, is_serving, said = "the arena's rules (1 of 2)", False, ""

        def __init__(self, options: Any) -> None: ...

        def port(self) -> int:
            for _ in range(6000):
                self.said += capsys.readouterr().err
                if f"the game: {self.doing}" in self.said:
                    raise GameError(self.said)
                time.sleep(0.01)
            raise GameError("nothing is said")

        def leave(self) -> None: ...

        def stop(self, within_s: float) -> None: ...

    monkeypatch.setattr("agent.commands.games.HostedProcess", Hosted)
    monkeypatch.setattr(compiled, "is_cold", lambda: True)
    assert run(["play", "--game", "arena", "--policy", "kiter", "--no-http"]) == 2
    said = capsys.readouterr().err
    assert "Compiling what has changed" in said and "starting, 0 s: " in said


@pytest.mark.skipif(sys.platform == "win32", reason="a script of POSIX")
def test_a_browser_that_it_opens_is_no_child_of_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, told, link = tmp_path / "browser", tmp_path / "told", "http://127.0.0.1:1/login?key=x-y_z"
    script.write_text(f'#!/bin/sh\necho $$ "$1" > {told}.part && mv {told}.part {told}\nexec sleep 60\n')
    script.chmod(0o755)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", f"{script} %s &")
    assert command.open_page(link)
    ends_s = time.monotonic() + 60
    while not told.exists() and time.monotonic() < ends_s:
        time.sleep(0.02)
    pid, opened = told.read_text().split()
    try:
        while psutil.Process(int(pid)).parent() in (own := [psutil.Process(), *psutil.Process().children(True)]):
            assert time.monotonic() < ends_s, f"a child of {own}: its memory counts as that of play"
            time.sleep(0.02)
        assert opened == link
    finally:
        psutil.Process(int(pid)).kill()
