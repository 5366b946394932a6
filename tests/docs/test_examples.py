"""The examples, run as a reader would run them: beside a real agent, or by it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.integration.test_play import free_port

EXAMPLES = DOCS / "examples"
TOKEN = "t" * 40
pytestmark = pytest.mark.slow


def environment(folder: Path) -> dict[str, str]:
    here = {"METABONK_HTTP_TOKEN": TOKEN, "METABONK_WEIGHTS_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    cheap = {"METABONK_USE_DREAM_TRAINING": "0", "METABONK_USE_ACTIVE_INFERENCE": "0"}
    return {**os.environ, **here, **cheap, "PYTHONUNBUFFERED": "1"}


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended when the block ends."""
    child = subprocess.Popen(
        [sys.executable, *arguments], cwd=EXAMPLES, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(folder),
    )  # fmt: skip
    try:
        yield child
    finally:
        child.terminate()
        child.communicate(timeout=240)


def lines_of(stream: IO[str]) -> queue.SimpleQueue[str]:
    """The lines of a stream, as they come."""
    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: [found.put(line) for line in stream], daemon=True).start()
    return found


def asked(port: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=240) as reply:
        return json.load(reply)


def test_policy_worker_and_events_beside_one_agent(tmp_path: Path) -> None:
    port = free_port()
    play = ("-m", "agent", "play", "--policy", "own_policy:Runner", "--game", "arena")
    with started(tmp_path, *play, "--http-port", port, "--no-open-page") as agent:
        assert agent.stderr is not None
        said = lines_of(agent.stderr)
        while f":{port}" not in said.get(timeout=240):
            pass
        with started(tmp_path, "events.py", "--port", port) as follower:
            assert follower.stdout is not None
            events = lines_of(follower.stdout)
            worker = subprocess.run(
                [sys.executable, "worker.py", "--port", port, "--token", TOKEN, "--pushes", "1"], cwd=EXAMPLES,
                capture_output=True, text=True, timeout=240, check=False,
            )  # fmt: skip
            assert worker.returncode == 0, worker.stderr
            asked(port, "/events", {"event_type": "hello", "message": "from a test", "payload": {"n": 1}})
            assert "hello: from a test {'n': 1}\n" in iter(lambda: events.get(timeout=240), None)
        status = asked(port, "/status")
    printed = worker.stdout.splitlines()
    assert printed[0].startswith("registered: {'ok': True")
    (version,) = (int(line.split()[1].rstrip(":")) for line in printed if line.startswith("version"))
    assert version >= 1 and f"weights {version}:" in printed[-1]
    assert "safetensors" in printed[-1]
    assert status["policy"] == "own_policy:Runner" and status["games"][0]["link"]["acted"] > 0
    assert "toy" in status["learner"]["policies"]


def test_the_policy_survives_longer_than_a_random_one(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    runs = ("--policy", "own_policy:Runner", "--episodes", "1", "--report", str(report))
    done = subprocess.run(
        [sys.executable, "-m", "agent", "evaluate", *runs], cwd=EXAMPLES, capture_output=True, text=True, timeout=110,
        check=False, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(report.read_text(encoding="utf-8"))["results"]
    assert result["survival_s"] > 150  # of the same seed, random survives 86 s


def test_the_game_is_played_to_its_end(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    game = ("--game", "own_game:Catch", "--episodes", "8", "--report", str(report))
    done = subprocess.run(
        [sys.executable, "-m", "agent", "evaluate", "--policy", "random", *game], cwd=EXAMPLES, capture_output=True,
        text=True, timeout=110, check=False, env=environment(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    returns = [r["episode_return"] for r in json.loads(report.read_text(encoding="utf-8"))["results"]]
    assert len(returns) == 8 and set(returns) == {-1.0, 1.0}
