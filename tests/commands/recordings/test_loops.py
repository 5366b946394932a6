"""`loops` says where time was lost, and refuses files that could run code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.commands.cli import run
from tests.journal.test_mine import cornered
from tools.mine_stuck_states import words


def test_loops_are_said_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = cornered(tmp_path / "rec"), tmp_path / "stuck.json"
    assert run(["loops", str(folder), "--out", str(out)]) == 0
    assert "1 loops, 40 s of 80 s" in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert report["total_clusters"] == 1 and {"timestamp", "clusters"} <= set(report)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_a_disk_that_takes_nothing_is_one_line_after_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["loops", str(cornered(tmp_path / "rec")), "--out", "/dev/full"]) == 2
    said = capsys.readouterr()
    assert "1 loops, 40 s of 80 s" in said.out and "--out /dev/full: No space left" in " ".join(said.err.split())


def test_without_a_folder_for_its_file_the_old_name_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").write_text("in the way")
    assert run(words([])) == 2
    assert f"--out {Path('checkpoints') / 'stuck_states.json'}: the folder" in " ".join(capsys.readouterr().err.split())


def test_files_of_torch_are_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pt").write_bytes(b"")
    for option in ("--pt-dir", "--npz-dir"):
        assert run(["loops", option, str(tmp_path)]) == 2
        assert "a.pt: files of torch can run code" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "a.pt").unlink()
    assert run(["loops", "--npz-dir", str(tmp_path)]) == 2
    assert run(["loops"]) == 2
    assert words(["--npz-dir", "a", "--out", "b"]) == ["loops", "--npz-dir", "a", "--out", "b"]
