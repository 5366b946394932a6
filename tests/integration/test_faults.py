"""The agent against a game that misbehaves, each in its own process: T5, T10, T11, and what cannot be faked."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.bench.latency import _ports, case, picture, summary

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ROOT / "tests" / "integration" / "foreign_game.py"


@contextmanager
def agent_at(port: int, report: Path, seconds: float = 100.0) -> Iterator[subprocess.Popen[str]]:
    """`play` against a port; ended politely, so that it writes its report."""
    command = [
        sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{port}", "--policy", "kiter",
        "--seconds", str(seconds), "--no-http", "--report", str(report),
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


def link_of(report: Path) -> dict[str, Any]:
    return dict(json.loads(report.read_text(encoding="utf-8"))["games"][0]["link"])


def balanced(link: dict[str, Any]) -> bool:
    settled = link["acted"] + link["superseded"] + link["rejected"] + link["expired"]
    return link["received"] == settled and link["pending"] == 0


@pytest.mark.slow
def test_forty_flipped_bits_in_lengths_are_each_recovered_within_half_a_second(tmp_path: Path) -> None:
    """T5."""
    port, report = _ports(1)[0], tmp_path / "r.json"
    game = foreign(port, "--flip-every", "8", "--frame", str(picture(tmp_path)))
    with agent_at(port, report):
        time.sleep(24)
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
    with agent_at(port, report):
        for _ in range(20):
            game = foreign(port)
            assert game.stdout is not None and game.stdout.readline() == "client\n"
            time.sleep(0.3 + rng.uniform(0.0, 0.3))
            game.kill()
            game.communicate()
        game = foreign(port)
        time.sleep(1.0)
        seen = finish(game)
    assert seen["clients"] == 1 and seen["answered"] > 10
    link = link_of(report)
    assert link["closed"] == 21 and link["connects"] == 21 + link["dropped"] and link["corrupt"] == 0 and balanced(link)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_suspended_game_gets_at_most_two_stale_actions(tmp_path: Path) -> None:
    """T11: whatever the game finds waiting when it wakes was sent before or is neutral."""
    port, report, rng = _ports(1)[0], tmp_path / "r.json", random.Random(11)
    game = foreign(port)
    with agent_at(port, report):
        time.sleep(3.0)
        for _ in range(10):
            os.kill(game.pid, signal.SIGSTOP)
            time.sleep(rng.uniform(0.2, 1.6))
            os.kill(game.pid, signal.SIGCONT)
            time.sleep(0.6)
        seen = finish(game)
    assert seen["neutral"] >= 8
    assert seen["unclaimed"] - seen["neutral"] <= 20
    assert balanced(link_of(report))


@pytest.mark.slow
def test_what_a_policy_returns_and_how_long_it_takes_is_seen_from_outside() -> None:
    honest = summary(case("nonce", 1, 6.0, ("--nonce",)))
    assert honest["nonce_wrong"] == 0 and honest["answered_share"] >= 0.95 and honest["p50_ms"] < 15
    sleeper = summary(case("sleeper", 1, 6.0, ("--nonce",)))
    assert sleeper["p50_ms"] >= 30 and sleeper["nonce_wrong"] == 0
