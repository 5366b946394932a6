"""TensorBoard files: what they hold, and what happens where tensorboardX is missing."""

from __future__ import annotations

import io
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.training.command import train
from agent.training.options import TrainOptions
from agent.training.tensorboard import open_scalars


def events(path: Path) -> list[Any]:
    """Messages of an event file; each is framed by its length and two checksums."""
    from tensorboardX.proto.event_pb2 import Event

    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(Event.FromString(data[12 : 12 + length]))
        data = data[16 + length :]
    return found


def test_scalars_have_their_step_and_time_and_a_file_of_their_own(tmp_path: Path) -> None:
    first, other = open_scalars(tmp_path, 1.5, True), open_scalars(tmp_path, 1.501, True)
    first.add(2.5, 300, {"policy_loss": 0.25, "entropy": 1.5})
    other.close()
    first.close()
    one, two = sorted(tmp_path.glob("events.out.tfevents.*"))
    found = [(e.wall_time, e.step, v.tag, v.simple_value) for e in events(one) for v in e.summary.value]
    assert found == [(2.5, 300, "policy_loss", 0.25), (2.5, 300, "entropy", 1.5)]
    assert [e.file_version for e in events(two)] == ["brain.Event:2"], "trainings in one folder do not share a file"


def asked(out: Path, tensorboard: bool | None) -> TrainOptions:
    return TrainOptions(game="gym:CartPole-v1", steps=256, out=out, copies=2, tensorboard=tensorboard)


def test_without_tensorboardx_training_says_how_to_get_files_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    told = io.StringIO()
    assert train(asked(tmp_path / "a", None), None, SystemClock(), Console(file=told, width=200)) == 0
    assert told.getvalue().count("pip install 'metabonk-apex[train]'") == 1
    assert json.loads((tmp_path / "a" / "curve.jsonl").read_text())["steps"] == 256
    assert not list((tmp_path / "a").glob("events.*"))
    with pytest.raises(SettingsError, match=r"metabonk-apex\[train\]"):
        train(asked(tmp_path / "b", True), None, SystemClock(), Console(file=io.StringIO()))
    assert not (tmp_path / "b").exists()


def test_files_that_are_not_wanted_are_not_written(tmp_path: Path) -> None:
    told = io.StringIO()
    assert train(asked(tmp_path, False), None, SystemClock(), Console(file=told, width=200)) == 0
    assert not list(tmp_path.glob("events.*")) and "TensorBoard" not in told.getvalue()
