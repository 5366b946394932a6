"""`view` gives a viewer what is in a recording, and says how to get one where there is none."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from mcap.reader import make_reader

from agent.commands.cli import run
from agent.commands.recordings.view import FOXGLOVE
from agent.link.imaging import decode_frame
from tests.journal.export.test_npz import recording


def test_foxglove_opens_a_file_that_it_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, opened, sink = tmp_path / "bin" / FOXGLOVE, tmp_path / "opened", tmp_path / "tmp"
    program.parent.mkdir()
    sink.mkdir()
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(tempfile, "tempdir", str(sink))
    assert run(["view", str(recording(tmp_path / "rec")), "--viewer", "foxglove"]) == 0
    path = Path(opened.read_text().strip())
    assert f"20 pictures in Foxglove, from {path}" in " ".join(capsys.readouterr().out.split())
    program.write_text("#!/bin/sh\nexit 3\n")
    assert run(["view", str(tmp_path / "rec"), "--viewer", "foxglove"]) == 2
    assert "ended with code 3" in " ".join(capsys.readouterr().err.split())
    with path.open("rb") as file:
        messages = [(s.name, c.topic, json.loads(m.data)) for s, c, m in make_reader(file).iter_messages() if s]
    pictures = [
        body for name, topic, body in messages if (name, topic) == ("foxglove.CompressedImage", "/game0/picture")
    ]
    rows = [body for name, topic, body in messages if (name, topic) == ("metabonk.Row", "/game0/row")]
    assert len(pictures) == len(rows) == 20
    assert decode_frame(base64.b64decode(pictures[3]["data"]), False).shape == (18, 32, 3)
    assert rows[2]["level"] == 12 and rows[-1]["menu"] == "Shop" and sum(row["ui_click"] for row in rows) == 1


def test_rerun_is_given_every_picture_with_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rerun = mock.Mock(__spec__=mock.Mock())
    monkeypatch.setitem(sys.modules, "rerun", rerun)
    assert run(["view", str(recording(tmp_path / "rec")), "--hz", "5"]) == 0
    assert "10 pictures in Rerun" in capsys.readouterr().out
    names = [call[0] for call in rerun.method_calls]
    assert names[:2] == ["init", "spawn"] and names[-1] == "disconnect"
    rerun.send_blueprint.assert_called_once_with(rerun.blueprint.Blueprint.return_value)
    assert names.index("send_blueprint") < names.index("set_time"), "the layout is there before the first row"
    times = [call.kwargs["duration"] for call in rerun.set_time.call_args_list]
    assert len(times) == rerun.EncodedImage.call_count == 10
    assert all(later - sooner == pytest.approx(0.2, abs=0.02) for sooner, later in zip(times, times[1:], strict=False))


def test_without_a_viewer_one_line_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rec = str(recording(tmp_path / "rec", ticks=6))
    monkeypatch.setitem(sys.modules, "rerun", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["view", rec]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no viewer is installed: pip install rerun-sdk, or install Foxglove's desktop app" in said
    assert run(["view", rec, "--viewer", "rerun"]) == 2
    assert "Foxglove" not in capsys.readouterr().err
    assert run(["view", rec, "--hz", "0"]) == 2 and "--hz 0: between" in capsys.readouterr().err
    assert run(["view", str(tmp_path / "none")]) != 0 and "no recording" in " ".join(capsys.readouterr().err.split())


def test_another_version_of_rerun_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", mock.Mock(__spec__=mock.Mock(), spec=["init", "spawn", "blueprint"]))
    assert run(["view", str(recording(tmp_path / "rec", ticks=6))]) == 2
    assert "this version of rerun-sdk is not known" in " ".join(capsys.readouterr().err.split())
