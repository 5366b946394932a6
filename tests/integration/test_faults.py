"""The agent against a game that misbehaves, each in its own process: T5, T10, T11, and what cannot be faked."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tools.bench.latency import _ports, case, picture, summary

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ROOT / "tests" / "integration" / "foreign_game.py"


@contextmanager
def agent_at(
    port: int, report: Path, seconds: float = 100.0, *, http: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """`play` against a port; ended politely, so that it writes its report. http: the port of its status."""
    shown = ("--no-http",) if http is None else ("--http-port", str(http), "--no-open-page")
    command = [
        sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{port}", "--policy", "kiter",
        "--seconds", str(seconds), *shown, "--report", str(report),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as agent:
        try:
            yield agent
        finally:
            agent.send_signal(signal.SIGINT)
            assert agent.stderr is not None
            errors = agent.stderr.read()
            assert agent.wait(240) == 0, errors


def foreign(port: int, *flags: str) -> subprocess.Popen[str]:
    game = subprocess.Popen(
        [sys.executable, str(FOREIGN), "--ports", str(port), "--seconds", "3600", *flags],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert game.stdout is not None
    game.stdout.readline()
    return game


def finish(game: subprocess.Popen[str]) -> dict[str, Any]:
    game.terminate()
    out, _ = game.communicate(timeout=240)
    return dict(json.loads(out.splitlines()[-1])[0])


def until(happened: Callable[[], bool], otherwise: str) -> None:
    """Wait for something that another process does; the limit only catches a hang."""
    deadline_s = time.monotonic() + 60.0
    while not happened():
        assert time.monotonic() < deadline_s, otherwise
        time.sleep(0.02)


def said(game: subprocess.Popen[str], line: str, times: int) -> None:
    """Read on until a game with `--say` has said a line so often."""
    assert game.stdout is not None
    while times > 0:
        heard = game.stdout.readline()
        assert heard, "the game ended"
        times -= heard == f"{line}\n"


def link_of(report: Path) -> dict[str, Any]:
    return dict(json.loads(report.read_text(encoding="utf-8"))["games"][0]["link"])


def balanced(link: dict[str, Any]) -> bool:
    settled = link["acted"] + link["superseded"] + link["rejected"] + link["expired"]
    return link["received"] == settled and link["pending"] == 0


@pytest.mark.slow
def test_forty_flipped_bits_in_lengths_are_each_recovered_within_half_a_second(tmp_path: Path) -> None:
    """T5."""
    port, report = _ports(1)[0], tmp_path / "r.json"
    game = foreign(port, "--flip-every", "8", "--frame", str(picture(tmp_path)), "--say")
    with agent_at(port, report, 3600.0):
        said(game, "recovered", 40)
        seen = finish(game)
    recovered = seen["recovered_s"]
    assert len(recovered) >= 40 and max(recovered) <= 0.5
    assert seen["claims_unknown"] == 0
    link = link_of(report)
    assert link["corrupt"] >= 40 and balanced(link)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_game_is_found_again_and_the_counts_add_up(tmp_path: Path) -> None:
    """T10."""
    port, report, rng = _ports(1)[0], tmp_path / "r.json", random.Random(10)
    with agent_at(port, report, 3600.0):
        for _ in range(20):
            game = foreign(port)
            assert game.stdout is not None and game.stdout.readline() == "client\n"
            time.sleep(0.3 + rng.uniform(0.0, 0.3))
            game.kill()
            game.communicate()
        game = foreign(port, "--say")
        said(game, "answered", 11)
        seen = finish(game)
    assert seen["clients"] == 1 and seen["answered"] > 10
    link = link_of(report)
    assert link["closed"] == 21 and link["connects"] == 21 + link["dropped"] and link["corrupt"] == 0 and balanced(link)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_suspended_game_gets_at_most_two_stale_actions(tmp_path: Path) -> None:
    """T11: what the game finds waiting when it wakes is at most two answers, repeated once each, and a neutral one."""
    (port, http), report, rng = _ports(2), tmp_path / "r.json", random.Random(11)
    game = foreign(port)
    seen_from_outside = psutil.Process(game.pid)

    def went_neutral() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/status", timeout=240) as answer:
                return int(json.load(answer)["counters"].get("neutral_actions", 0))
        except urllib.error.URLError:
            return -1

    try:
        with agent_at(port, report, 3600.0, http=http):
            assert game.stdout is not None and game.stdout.readline() == "client\n"
            until(lambda: went_neutral() >= 0, "the agent shows no status")
            for _ in range(10):
                before = went_neutral()
                game.send_signal(signal.SIGUSR1)
                until(lambda: seen_from_outside.status() == psutil.STATUS_STOPPED, "the game was never answered")
                time.sleep(rng.uniform(0.2, 1.6))
                until(lambda: went_neutral() > before, "the agent never let go")  # noqa: B023
                game.send_signal(signal.SIGCONT)
            seen = finish(game)
    finally:
        game.kill()
    claims, repeats, neutral = zip(*seen["waiting"], strict=True)
    assert len(claims) == 10 and max(claims) <= 2 and max(repeats) <= 2
    assert sum(count >= 1 for count in neutral) >= 8 and max(neutral) <= 2
    assert balanced(link_of(report))


@pytest.mark.slow
def test_what_a_policy_returns_and_how_long_it_takes_is_seen_from_outside() -> None:
    honest = summary(case("nonce", 1, 6.0, ("--nonce",)))
    assert honest["nonce_wrong"] == 0 and honest["answered_share"] >= 0.95 and honest["p50_ms"] < 15
    sleeper = summary(case("sleeper", 1, 6.0, ("--nonce",)))
    assert sleeper["p50_ms"] >= 30 and sleeper["nonce_wrong"] == 0
