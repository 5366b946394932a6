"""`doctor`: one line a finding, and 1 where there is a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.commands.doctor import report
from agent.setup.doctor import Finding


def test_a_fault_is_a_line_with_its_remedy_and_the_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([Finding("ok", "a"), Finding("note", "b", "do b")]) == 0
    assert report([Finding("fault", "c", "do c")]) == 1
    assert capsys.readouterr().out.splitlines() == ["ok    a", "note  b -> do b", "fault c -> do c"]


def test_the_games_folder_is_looked_into_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Megabonk.exe").write_bytes(b"MZ")
    assert run(["doctor", "--game-dir", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert (
        "bepinex: not installed -> python -m agent plugins install --install-bepinex" in said and "page: port" in said
    )
    assert run(["doctor", "--game-dir", str(tmp_path / "none")]) == 2
