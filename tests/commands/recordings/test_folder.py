"""`recordings` lists, shows and mends; what is no recording is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.commands.play import PlayOptions, _recording
from agent.core.clock import SystemClock
from agent.core.settings import load_settings
from agent.journal.journal import Journal
from agent.journal.keeping import Keep
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


def test_only_what_lies_with_the_recordings_has_a_cap(recordings: Path) -> None:
    settings = load_settings(None, {"METABONK_RECORDINGS_DIR": str(recordings), "METABONK_RECORDINGS_MAX_MIB": "16"})
    by_itself, asked, named = (
        _recording(options, settings)
        for options in (PlayOptions(), PlayOptions(record=True), PlayOptions(record_to=recordings / "mine" / "one"))
    )
    assert by_itself is not None and asked is not None and named is not None
    assert (by_itself.keep, by_itself.is_asked) == (Keep(window_s=600.0, max_bytes=16 << 20), False)
    assert (asked.keep, asked.folder.parent) == (Keep(window_s=None, max_bytes=16 << 20), recordings)
    assert (named.keep, named.folder) == (Keep(window_s=None, max_bytes=None), recordings / "mine" / "one")
