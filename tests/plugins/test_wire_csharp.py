"""The C# codec gives the same bytes and values as Python's, both ways."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.scripts.csharp import Toolchain

GOLDEN_FILE = Path(__file__).parent.parent / "golden" / "bonklink.json"
GOLDEN = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def answers(toolchain: Toolchain, built: Path) -> list[dict[str, Any]]:
    command = [toolchain.dotnet, "exec", built / "host.dll", "golden", GOLDEN_FILE]
    done = subprocess.run(command, env=toolchain.environment(), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_single(value: Any) -> Any:
    """Numbers rounded as float32 are written by both sides; compare them as such."""
    import numpy as np

    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, list):
        return [in_single(v) for v in value]
    if isinstance(value, dict):
        return {k: in_single(v) for k, v in value.items()}
    return value


def test_fields_fall_back_and_faults_are_said_once(toolchain: Toolchain, built: Path) -> None:
    command = [toolchain.dotnet, "exec", built / "host.dll", "parts"]
    done = subprocess.run(command, env=toolchain.environment(), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    # The missing way is tried once, the late one until it works, and a field without a way left is its empty value.
    assert answer["fields"] == [1, 2, 1, -1, -1, 4, -1]
    assert len(answer["said"]) == 4
    assert "a: this game lacks a member (way 1); using the next way" in answer["said"]
    assert any(text.startswith("section failed: InvalidOperationException: it broke") for text in answer["said"])
    written = json.loads(answer["json"])
    assert written == {"text": '"ö\\\n', "list": [1.5, 0.1, None, 7, True], "none": []}


def test_every_golden_packet_is_written_to_its_bytes(answers: list[dict[str, Any]]) -> None:
    wanted = [p["packet_hex"] for p in GOLDEN["packets"]]
    assert len(wanted) == 24
    assert [a["packet_hex"] for a in answers[: len(wanted)]] == wanted


def test_every_golden_state_is_read_to_its_values(answers: list[dict[str, Any]]) -> None:
    for answer, packet in zip(answers, GOLDEN["packets"], strict=False):
        assert in_single(answer["state"]) == in_single(packet["state"])


def test_every_golden_action_is_written_to_its_bytes_and_read_to_its_values(answers: list[dict[str, Any]]) -> None:
    actions = GOLDEN["actions"]
    for answer, golden in zip(answers[len(GOLDEN["packets"]) :], actions, strict=True):
        assert answer["hex"] == golden["hex"]
        assert in_single(answer["action"]) == in_single(golden["action"])
