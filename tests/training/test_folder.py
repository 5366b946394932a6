"""A training's folder: a killed training goes on, none is trained over, and the curve never runs backwards."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from agent.core.clock import SystemClock
from agent.core.errors import AgentError, SettingsError, WeightsError
from agent.learning.configs import Budget
from agent.training import command
from agent.training.folder import CHECKPOINT, CURVE, WEIGHTS, TrainingFolder
from agent.training.options import TrainOptions


class Counting:
    """A training that counts its steps, ten a stretch, and ends as it is told at `breaks_at`."""

    about: tuple[str, ...] = ()

    def __init__(self, breaks_at: int = 10_000, error: BaseException | None = None) -> None:
        self.count, self.steps, self._breaks_at, self._error = torch.zeros(1), 0, breaks_at, error

    def advance(self) -> dict[str, float]:
        if self.steps >= self._breaks_at:
            if self._error is None:
                self.count[0] = torch.nan
            else:
                raise self._error
        self.steps += 10
        self.count += 10
        return {"episode_return": 1.0}

    def tensors(self) -> dict[str, Tensor]:
        return {"count": self.count, "steps": torch.tensor([self.steps])}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        self.count, self.steps = tensors["count"], int(tensors["steps"])

    def sealed(self) -> dict[str, Any]:
        return {"tensors": {"w": np.ones(1, np.float32)}, "kind": "toy", "layout": {}, "sizes": {}, "notes": {}}


class Killed(BaseException):
    """Stands for SIGKILL: what would be written afterwards is not."""


def trained(folder: Path, training: Counting, *, resume: bool = False, steps: int = 50) -> list[int]:
    """The steps of the curve after a training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "build_training", lambda *given: training)
        options = TrainOptions(game="toy", steps=steps, out=folder, resume=resume, tensorboard=False)
        assert command.train(options, None, SystemClock(), Console(file=io.StringIO())) == 0
    return curve(folder)


def curve(folder: Path) -> list[int]:
    return [json.loads(line)["steps"] for line in (folder / CURVE).read_text(encoding="utf-8").splitlines()]


def test_a_training_that_was_killed_before_its_first_minute_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(command, "_keep", lambda *given: None)
        with pytest.raises(Killed):
            trained(tmp_path / "o", Counting(30, Killed()))
    assert curve(tmp_path / "o") == [10, 20, 30] and (tmp_path / "o" / CHECKPOINT).exists()
    with (tmp_path / "o" / CURVE).open("a") as file:
        file.write('{"steps": 4')  # the line on which it was killed
    assert trained(tmp_path / "o", Counting(), resume=True) == [10, 20, 30, 40, 50]
    assert trained(tmp_path / "o", Counting(), resume=True, steps=60) == [10, 20, 30, 40, 50, 60]


def test_a_training_that_is_interrupted_keeps_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, Counting(30, KeyboardInterrupt()))
    again = Counting()
    assert trained(tmp_path, again, resume=True) == [10, 20, 30, 40, 50] and again.count == 50


def test_a_curve_without_a_checkpoint_is_begun_anew_where_it_is_resumed(tmp_path: Path) -> None:
    (tmp_path / CURVE).write_text('{"steps": 10}\n{"steps": 20}\n', encoding="utf-8")
    assert trained(tmp_path, Counting(), resume=True, steps=20) == [10, 20]


@pytest.mark.parametrize("held", [CHECKPOINT, CURVE])
def test_a_folder_that_holds_a_training_is_not_trained_over(held: str, tmp_path: Path) -> None:
    (tmp_path / held).write_bytes(b"kept")
    with pytest.raises(SettingsError, match="holds a training.*--resume"):
        trained(tmp_path, Counting())
    assert (tmp_path / held).read_bytes() == b"kept" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("held", WEIGHTS)
def test_weights_without_a_checkpoint_are_neither_trained_over_nor_gone_on_from(
    held: str, resume: bool, tmp_path: Path
) -> None:
    (tmp_path / held).write_bytes(b"kept")
    with pytest.raises(SettingsError, match=f"holds weights .{held}.*name another folder"):
        trained(tmp_path, Counting(), resume=resume)
    assert (tmp_path / held).read_bytes() == b"kept" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("game", "policy", "budget"),
    [("arena", "pilot", None), ("arena", "motor", None), ("toy", "pilot", None), ("toy", "pilot", Budget())],
)
def test_the_weights_of_every_training_are_known_to_be_weights(
    game: str, policy: Any, budget: Budget | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "build_training", lambda *given: Counting())
    options = TrainOptions(game=game, policy=policy, steps=10, out=tmp_path, tensorboard=False)
    command.train(options, budget, SystemClock(), Console(file=io.StringIO()))
    assert {path.name for path in tmp_path.glob("*.safetensors")} - {CHECKPOINT} < set(WEIGHTS)


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    first = TrainingFolder(tmp_path, {}, resume=False)
    first.make()
    with pytest.raises(SettingsError, match="another process trains into it"):
        trained(tmp_path, Counting(), resume=True)
    first.close()
    assert trained(tmp_path, Counting(), resume=True, steps=20) == [10, 20]


def test_what_is_no_folder_or_takes_no_files_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    for out, said in ((tmp_path / "f", "is a file"), (tmp_path / "f" / "o", "no folder can be made")):
        with pytest.raises(SettingsError, match=said):
            TrainingFolder(out, {}, resume=False)
    if Path("/proc/self").is_dir():
        with pytest.raises(SettingsError, match="--out"):
            trained(Path("/proc/self/o"), Counting())


def test_what_is_no_number_never_replaces_a_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"count has values that are not finite.*stays"):
        trained(tmp_path, Counting(30))
    assert trained(tmp_path, Counting(), resume=True, steps=20)[0] == 10


def test_a_full_disk_is_one_line_and_the_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, Counting(), steps=20)
    kept = (tmp_path / CHECKPOINT).read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    folder = TrainingFolder(tmp_path, {}, resume=True)
    with monkeypatch.context() as patch, pytest.raises(AgentError, match="No space left on device"):
        patch.setattr("os.fsync", full)
        folder.keep({"a": np.ones(1, np.float32)}, {})
    assert (tmp_path / CHECKPOINT).read_bytes() == kept
    assert not list(tmp_path.glob(".*.tmp"))
