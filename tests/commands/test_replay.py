"""`replay` says how many decisions came out equal, and refuses a game that the recording has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run


def test_a_recording_of_a_scripted_player_is_replayed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "session"
    words = [
        "play",
        "--game",
        "arena",
        "--policy",
        "random",
        "--lock-step",
        "--seconds",
        "1",
        "--no-http",
        "--no-learn",
    ]
    assert run([*words, "--record-to", str(folder)]) == 0
    assert "the recording in" in capfd.readouterr().err.replace("\n", " ")
    assert run(["replay", str(folder)]) == 0
    said = capfd.readouterr().out
    assert "decisions of random" in said and "all equal, sha256" in said
    assert run(["replay", str(folder), "--only", "3"]) == 2
    assert "has games 0 to 0, not 3" in capfd.readouterr().err
