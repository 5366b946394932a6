"""A real model plans for `play`, from end to end: its answers keep to the schema, and its latency is counted."""

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

from tools.bench._result_file import ROOT
from tools.bench.latency import _ports
from tools.bench.planner.real_model import MISSING, model_file

pytestmark = [
    pytest.mark.campaign, pytest.mark.slow,
    pytest.mark.skipif(model_file() is None, reason=f"no small language model is installed: {MISSING}"),
]  # fmt: skip
PATIENCE_S = 600.0
"""Only catches hangs; a plan takes two seconds of a core."""


@pytest.fixture
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "tools.bench.planner.real_model"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.kill()


def status(port: int) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as reply:
            found: dict[str, Any] = json.loads(reply.read())
            return found
    except OSError:
        return None


def _planned(found: dict[str, Any]) -> int:
    """Plans by the model, those included that came too late on a busy machine; what breaks the schema is none."""
    counts: dict[str, int] = found["planner"]["counts"]
    return counts["by_model"] + counts["thrown_away"]


def test_a_real_model_plans_for_play_and_is_counted(address: str, tmp_path: Path) -> None:
    (port,) = _ports(1)
    command = [sys.executable, "-m", "agent", "play", "--game", "arena", "--policy", "pilot", "--no-learn"]
    settings = {
        "METABONK_LLM_BACKEND": "openai", "METABONK_LLM_BASE_URL": address, "METABONK_RECORDINGS_DIR": str(tmp_path),
        "METABONK_LLM_TIMEOUT_S": "60",
    }  # fmt: skip
    with subprocess.Popen(
        [*command, "--no-record", "--no-open-page", "--http-port", str(port)], cwd=ROOT,
        env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as agent:  # fmt: skip
        try:
            end_s, found = time.monotonic() + PATIENCE_S, None
            while time.monotonic() < end_s and agent.poll() is None:
                found = status(port) or found
                if found is not None and _planned(found) >= 3:
                    break
                time.sleep(0.5)
        finally:
            agent.terminate()
            agent.wait(60)
    assert found is not None, "the agent showed no status"
    llm = found["planner"]["llm"]
    assert _planned(found) >= 3, llm
    assert llm["ready"] and llm["answered"] >= 3 and llm["latency_s"]["max"] > 0.0 and llm["reply_tokens"] > 0
    assert llm["model"].startswith("SmolLM2")
