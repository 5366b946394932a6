"""The latency profile: what it writes, and that it sees a policy that is slow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_profile_has_a_table_a_picture_and_a_trace(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "profile_latency.py"), "--seconds", "5", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "on the line" in done.stdout and "frame to action" in done.stdout
    profile = json.loads((tmp_path / "latency_profile.json").read_text(encoding="utf-8"))
    line, inside = profile["line"], profile["stages"]["frame_to_action"]
    assert line["count"] > 200 and line["p50_ms"] > 0.5 * inside["p50_ms"]
    assert (tmp_path / "latency_histogram.png").read_bytes().startswith(b"\x89PNG")
    events = json.loads((tmp_path / "latency_trace.json").read_text(encoding="utf-8"))["traceEvents"]
    assert {e["name"] for e in events} >= {"decode", "queue", "policy", "return", "send", "frame to action"}
    assert all(e["dur"] >= 0 for e in events)


def test_a_game_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "profile_latency.py"), "--game", "bonklink://127.0.0.1:9",
         "--seconds", "1", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "0 packets" in done.stderr
