"""`recordings` lists, shows and mends; what is no recording is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.core.clock import SystemClock
from agent.journal.journal import Journal
from tests.journal.test_journal import drain, header, offer


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path))
    return tmp_path


def record(folder: Path) -> None:
    journal = Journal(folder, header(folder.name), SystemClock())
    journal.begin()
    offer(journal, range(1, 21))
    drain(journal)
    journal.close()


def test_recordings_are_listed_shown_and_mended(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recordings", "list"]) == 0
    assert "No recordings in" in capsys.readouterr().out
    record(recordings / "one")
    record(recordings / "two")
    whole = recordings / "two" / "segment-00001.mcap"
    whole.with_name(whole.name + ".part").write_bytes(whole.read_bytes()[:-300])
    whole.unlink()
    assert run(["recordings", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "arena  pilot" in lines[0] and lines[0].endswith("whole")
    assert lines[1].startswith("two") and lines[1].endswith("torn: `recordings recover`")
    assert run(["recordings", "recover"]) == 0
    assert "two/segment-00001.mcap: 20 records" in capsys.readouterr().out
    assert run(["recordings", "show", str(recordings / "two")]) == 0
    assert "20 packet records\nnothing was lost" in capsys.readouterr().out


def test_a_folder_without_a_recording_is_refused(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["recordings", "show", str(recordings)], ["replay", str(recordings / "none")]):
        assert run(words) == 2
        assert "no recording" in capsys.readouterr().err


def test_two_answers_to_one_question_are_refused(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["play", "--game", "arena", "--no-record", "--record-to", str(recordings / "a")]) == 2
    assert "name one of them" in capsys.readouterr().err


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
