"""`python -m agent` as people use it: the commands in processes of their own, their reports, their refusals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run

ROOT = Path(__file__).resolve().parents[2]
REPORT_KEYS = {
    "schema", "started_utc", "wall_seconds", "game", "rules", "seed", "first_action_s", "version", "uptime_s", "policy",
    "games", "latency", "deadline_missed", "counters", "actions_refused", "episodes", "episode_results", "http_port",
    "rss_mb",
}  # fmt: skip


def agent(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments], cwd=folder, capture_output=True, text=True, timeout=240,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def played(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """The report of one session of play that must end well."""
    report = folder / "report.json"
    done = agent("play", *arguments, "--no-http", "--report", str(report), folder=folder, **environment)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(report.read_text(encoding="utf-8")))


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.slow
def test_without_a_game_the_arena_is_played_from_its_main_menu_into_a_run(tmp_path: Path) -> None:
    report = played(tmp_path, "--seconds", "8", METABONK_BONKLINK_PORT=free_port())
    assert report.keys() >= REPORT_KEYS and report["schema"] == "metabonk-report/1"
    game = report["games"][0]
    assert report["game"] == "arena" and len(report["rules"]) == 64
    assert game["game_time_s"] > 2 and game["health"] > 0, "in a run, where a menu may be open at this very moment"
    link = game["link"]
    assert link["received"] == link["acted"] + link["superseded"] + link["rejected"] + link["expired"]
    assert link["acted"] > 0.9 * link["received"] > 250 and link["frames"] > 40
    assert report["latency"]["frame_to_action"]["p50_ms"] < 10


@pytest.mark.slow
def test_several_games_are_played_at_once_by_one_process(tmp_path: Path) -> None:
    report = played(tmp_path, "--game", "arena", "--games", "2", "--policy", "pilot", "--no-learn", "--seconds", "6")
    assert [g["name"] for g in report["games"]] == ["arena 0", "arena 1"]
    in_a_run = [g["game_time_s"] > 1 and g["health"] > 0 for g in report["games"]]
    assert all(in_a_run) and all(g["link"]["acted"] > 100 for g in report["games"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "policy", "until"),
    [("gym:minatar.gym:MinAtar/Breakout-v1", "random", "--seconds 5"),
     ("gym:vizdoom.gymnasium_wrapper:VizdoomHealthGathering-v1", "dreamer", "--episodes 1 --seconds 100 --no-learn")],
)  # fmt: skip
def test_third_party_games_are_played_through_the_same_link(tmp_path: Path, spec: str, policy: str, until: str) -> None:
    report = played(tmp_path, "--game", spec, "--policy", policy, *until.split())
    link = report["games"][0]["link"]
    assert link["acted"] > 0.9 * link["received"] > 0 and link["frames"] > 20 and not link["frames_refused"]
    assert report["episodes"]["count"] >= 1


@pytest.mark.slow
def test_whole_episodes_are_evaluated_over_the_socket_too(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = agent(
        "evaluate", "--game", "gym:CartPole-v1", "--policy", "random", "--episodes", "3", "--real-time", "--report",
        str(report), folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text(encoding="utf-8"))["episodes"]["count"] >= 3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("play", "--game", "arna"), "arena"),
        (("play", "--game", "bonklink://127.0.0.1:99999"), "99999"),
        (("play", "--policy", "kitr"), "kiter"),
        (("play", "--games", "0"), "--games"),
        (("play", "--gams", "2"), "Did you mean --games?"),
        (("--gams", "2"), "Did you mean --games?"),
        (("plya",), "plya is not a command; did you mean play?"),
        (("play", "--seconds", "-1"), "--seconds"),
        (("play", "--capture", "20x20"), "--capture"),
        (("play", "--capture", "wide"), "WIDTHxHEIGHT"),
        (("play", "--capture", "20x20", "--game", "bonklink://127.0.0.1:5"), "the width goes from 84 to 1280"),
        (("play", "--capture", "640x360", "--game", "bonklink://127.0.0.1:5"), "only the arena takes one"),
        (("play", "--report", "no/such/folder/r.json"), "no/such/folder"),
        (("play", "--weights", "none.safetensors", "--policy", "pilot"), "none.safetensors"),
        (("play", "--lock-step", "--game", "bonklink://127.0.0.1:5"), "--lock-step"),
        (("play", "--config", "none.toml"), "none.toml"),
        (("evaluate", "--episodes", "0"), "--episodes"),
        (("evaluate", "--game", "bonklink://127.0.0.1:5"), "--real-time"),
        (("host", "arena", "--capture", "2000x2000"), "--capture"),
        (("host", "gym:CartPole-v1", "--profile", "none.toml"), "none.toml"),
    ],
)
def test_bad_input_is_refused_by_name_and_without_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    code = run(arguments)
    said = "".join(capsys.readouterr())
    assert code == 2 and named in said and "Traceback" not in said, said
    assert len([line for line in said.splitlines() if "Error" in line]) == 1 and "Error" in said.splitlines()[-1], said


@pytest.mark.parametrize("address", ["bonklink://127.0.0.1:9", "research://0"])
def test_where_no_game_answered_the_code_says_that_nothing_was_played(
    tmp_path: Path, address: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("play", "--game", address, "--policy", "random", "--seconds", "0.5", "--no-http", "--report", "r.json")
    assert run(arguments) == 1
    said = "".join(capfd.readouterr())
    assert f"Nothing was played: {address}: " in said and "Kept: the report in r.json." in said, said
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["ended_by"] == "time"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_an_end_before_anything_was_played_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM))
    told.start()
    arguments = ("play", "--game", "bonklink://127.0.0.1:9", "--policy", "random", "--no-http", "--seconds", "60")
    try:
        code = run(arguments)
    finally:
        told.cancel()
    assert code in (130, 143)
    said = [line for line in capfd.readouterr().err.splitlines() if "[info" not in line]
    assert len(said) == 1 and said[0].startswith("Interrupted"), said


def test_an_unknown_setting_stops_the_start_and_names_the_nearest(tmp_path: Path) -> None:
    done = agent("doctor", folder=tmp_path, METABONK_HTTP_PROT="1")
    assert done.returncode == 2 and "METABONK_HTTP_PORT" in done.stderr


def test_the_version_and_the_help_are_there(tmp_path: Path) -> None:
    assert agent("--version", folder=tmp_path).stdout.strip() == "0.1.0"
    text = agent("--help", folder=tmp_path).stdout
    assert all(command in text for command in ("play", "host", "evaluate", "doctor", "prepare"))
