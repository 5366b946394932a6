"""T12: a peer that is gone without a word. The game lives in a network namespace whose cable is pulled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME, HERE, THERE = "bonkgame", "10.213.7.1", "10.213.7.2"
PORT = 5560


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def cable() -> Iterator[str]:
    """Two ends of a cable, one in a namespace of its own; the name of that end."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("network namespaces need root")
        pytest.skip("network namespaces need root")
    for leftover in (("netns", "del", NAME), ("link", "del", "bonk0")):
        subprocess.run(["ip", *leftover], check=False, capture_output=True)
    ip("netns", "add", NAME)
    try:
        ip("link", "add", "bonk0", "type", "veth", "peer", "name", "bonk1", "netns", NAME)
        ip("addr", "add", f"{HERE}/24", "dev", "bonk0")
        ip("link", "set", "bonk0", "up")
        ip("-n", NAME, "addr", "add", f"{THERE}/24", "dev", "bonk1")
        ip("-n", NAME, "link", "set", "bonk1", "up")
        ip("-n", NAME, "link", "set", "lo", "up")
        yield "bonk1"
    finally:
        ip("netns", "del", NAME)


def status(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}status", timeout=240) as answer:
        return dict(json.load(answer))


def wait_for(url: str, state: str, limit_s: float) -> float:
    """Seconds until the link is `state`."""
    start_s = time.monotonic()
    while time.monotonic() - start_s < limit_s:
        if status(url)["games"][0]["link"]["state"] == state:
            return time.monotonic() - start_s
        time.sleep(0.05)
    pytest.fail(f"the link was not {state} within {limit_s} s")


@pytest.mark.slow
@pytest.mark.requires("ip")
def test_a_pulled_cable_is_noticed_and_healed(cable: str, tmp_path: Path) -> None:
    foreign = str(ROOT / "tests" / "integration" / "foreign_game.py")
    game = subprocess.Popen(
        ["ip", "netns", "exec", NAME, sys.executable, foreign, "--host", THERE, "--ports", str(PORT), "--seconds",
         "600"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    player = subprocess.Popen(
        [sys.executable, "-m", "agent", "play", "--game", f"bonklink://{THERE}:{PORT}", "--policy", "kiter",
         "--http-port", "0", "--no-open-page", "--seconds", "100", "--report", str(tmp_path / "r.json")],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert player.stderr is not None
        url = next(line for line in player.stderr if "Watch it at" in line).split()[-1]
        for _ in range(2):
            wait_for(url, "up", 20)
            time.sleep(1.0)
            ip("-n", NAME, "link", "set", cable, "down")
            assert wait_for(url, "down", 12) <= 8.0
            ip("-n", NAME, "link", "set", cable, "up")
        wait_for(url, "up", 20)
        before = status(url)["games"][0]["link"]["acted"]
        time.sleep(2.0)
        assert status(url)["games"][0]["link"]["acted"] > before + 30
    finally:
        player.terminate()
        player.communicate()
        game.terminate()
        game.communicate()
