"""`export` writes each format, says what is in it, and refuses what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from tests.journal.export.test_npz import recording


def test_each_format_is_written_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rec = str(recording(tmp_path / "rec"))
    monkeypatch.chdir(tmp_path)
    for words in (["npz"], ["mp4"], ["lerobot", "--hz", "20"], ["csv"]):
        assert run(["export", rec, "--format", *words]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "rec-npz: 20 pictures, 2 episodes, 1 clicks, read back",
        "rec.mp4: 20 pictures, each at its own time, read back",
        "rec-lerobot: 20 pictures, 2 episodes at 20 Hz, read back",
        "rec.csv: 240 lines, read back",
    ]
    assert run(["export", rec, "--format", "mp4"]) == 2
    assert "rec.mp4: is there already" in capsys.readouterr().err


def test_without_a_terminal_nothing_but_the_result_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rec, out = str(recording(tmp_path / "rec", ticks=6)), str(tmp_path / "a.csv")
    assert run(["export", rec, "--format", "csv", "--out", out]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "words, said",
    [
        (["--hz", "0"], "--hz 0: between"),
        (["--max-frames", "0"], "--max-frames 0: at least 1"),
        (["--only", "1"], "--only 1: the recording has games 0 to 0"),
        (["--out", "no/such/a"], "does not exist; make it first"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    rec = str(recording(tmp_path / "rec", ticks=6))
    assert run(["export", rec, "--format", "npz", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_missing_package_is_said_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rec = str(recording(tmp_path / "rec", ticks=6))
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert run(["export", rec, "--format", "mp4", "--out", str(tmp_path / "a.mp4")]) == 2
    assert "MP4: needs av; pip install 'metabonk-apex[export]'" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "a.mp4").exists()
