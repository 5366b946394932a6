"""`runs` lists what was recorded, with what came of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.journal.history import NAME, History, Progress
from tests.commands.recordings.test_folder import record
from tests.journal.test_journal import header


def test_a_run_is_a_line_until_its_files_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path))
    assert run(["runs"]) == 0
    assert "No runs in" in capsys.readouterr().out
    for name in ("one", "two"):
        record(tmp_path / name)
        History(tmp_path).begin(tmp_path / name, header(name))
    History(tmp_path).update(
        tmp_path / "two", header("two"), Progress(61.2, "ab" * 32, 3, 17.25, "score_s"), is_over=True
    )
    assert run(["runs"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert f"  arena  pilot  no weights  no score  0 s  killed  {tmp_path / 'one'}" in first
    assert f"  arena  pilot  abababababab  17.2 s in 3  61 s  whole  {tmp_path / 'two'}" in second
    shutil.rmtree(tmp_path / "two")
    assert run(["runs", "--last", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert f"  dropped  {tmp_path / 'two'}" in line


def test_a_damaged_history_and_a_count_below_zero_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path))
    (tmp_path / NAME).write_bytes(b"no database" * 100)
    record(tmp_path / "one")
    assert run(["runs"]) == 0
    said = capsys.readouterr().out
    assert "damaged and is set aside as" in said and f"  whole  {tmp_path / 'one'}" in said
    assert run(["runs", "--last", "-1"]) == 2
    assert "--last -1: 0 or more" in capsys.readouterr().err
