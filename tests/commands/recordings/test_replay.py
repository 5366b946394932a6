"""`replay` says what is equal, and never says it of nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.commands.cli import run
from tests.commands.recordings.test_folder import record


def test_a_recording_of_a_scripted_player_is_listed_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path / "others"))
    folder = tmp_path / "session"
    words = ["play", "--game", "arena", "--policy", "random", "--lock-step", "--seconds", "1"]
    assert run([*words, "--no-http", "--no-learn", "--record-to", str(folder)]) == 0
    assert "the recording in" in capfd.readouterr().err.replace("\n", " ")
    assert run(["runs"]) == 0
    line = capfd.readouterr().out
    assert re.search(r"  arena  random  no weights  no score  \d+ s  whole  ", line) and str(folder) in line
    assert run(["replay", str(folder)]) == 0
    said = capfd.readouterr().out
    assert "decisions of random" in said and "all equal, sha256" in said
    assert run(["replay", str(folder), "--only", "3"]) == 2
    assert "has games 0 to 0, not 3" in capfd.readouterr().err


def test_a_replay_that_compares_nothing_does_not_say_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "one")
    assert run(["replay", str(tmp_path / "one")]) == 1
    said = capsys.readouterr().out
    assert "no decision could be compared" in said and "equal" not in said
