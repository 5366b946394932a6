"""A learner that is stopped at any stage holds up no end of play: the report is written, the weights are kept."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from agent.core.files import read_text
from agent.store.store import WeightsStore

ROOT = Path(__file__).resolve().parents[2]
END_S = 15.0
STAGES = ("starting", "idle", "learning", "saving")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")


class Play:
    """One `play` of the arena by a pilot that learns."""

    def __init__(self, folder: Path) -> None:
        self.report, self.weights, self.said = folder / "report.json", folder / "weights", folder / "said"
        environ = {**os.environ, "METABONK_WEIGHTS_DIR": str(self.weights), "METABONK_HTTP_PORT": "0"}
        command = [sys.executable, "-m", "agent", "play", "--game", "arena", "--policy", "pilot"]
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, "--report", str(self.report), "--no-open-page"], cwd=ROOT, env=environ,
                stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def status(self) -> dict[str, Any]:
        port = re.search(r"127\.0\.0\.1:(\d+)/", read_text(self.said))
        if port is None:
            return {}
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/status") as reply:
            return dict(json.load(reply))
        return {}

    def learner(self) -> psutil.Process | None:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                if "agent.learner.process" in child.cmdline():
                    return child
        return None

    def until(self, done: Callable[[], Any], limit_s: float = 240.0) -> Any:
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s and self.process.poll() is None:
            found = done()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(read_text(self.said)[-2000:])


def stop_at(play: Play, stage: str) -> None:
    learner = play.until(play.learner)
    if stage != "starting":
        waiting = lambda: play.status().get("learner", {}).get("process", {}).get("waiting")
        play.until(lambda: play.status().get("learning", {}).get("rollouts", 0) >= 1)
        play.until(lambda: waiting() == (0 if stage == "idle" else 1))
    if stage == "saving":
        play.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    with contextlib.suppress(psutil.Error):
        learner.suspend()


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("run", range(5))
@pytest.mark.parametrize("stage", STAGES)
def test_play_ends_within_fifteen_seconds_whatever_its_learner_does(stage: str, run: int, tmp_path: Path) -> None:
    play = Play(tmp_path)
    try:
        stop_at(play, stage)
        time.sleep(run)
        start_s = time.monotonic()
        if stage != "saving":
            play.process.send_signal(signal.SIGINT)
        play.process.wait(60.0)
        assert time.monotonic() - start_s < END_S
    finally:
        learner = play.learner()
        play.process.kill()
        if learner is not None:
            learner.kill()
    assert json.loads(read_text(play.report))["games"], read_text(play.said)[-2000:]
    assert WeightsStore(play.weights).load("pilot")[0].version >= 1
