"""A run keeps its checkpoint and curve, and goes on where it was interrupted."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.training.labels.runs import run, torch_device


class Counting:
    """Learns to count; at `stop` it is interrupted."""

    def __init__(self, stop: int) -> None:
        self.updates, self._stop = 0, stop

    def update(self) -> dict[str, float]:
        if self.updates == self._stop:
            raise KeyboardInterrupt
        self.updates += 1
        return {"loss": 1.0 / self.updates}

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"updates": torch.tensor([self.updates])}

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        self.updates = int(tensors["updates"].item())


def go(folder: Path, learner: Counting, *, resume: bool) -> Any:
    def finish() -> dict[str, Any]:
        return {"tensors": {"n": np.array([learner.updates])}, "kind": "count", "layout": {}, "sizes": {}}

    return run(
        folder, {"learns": "counting"}, learner, 30, SystemClock(), Console(file=io.StringIO()), name="count",
        resume=resume, tensorboard=False, finish=finish, file="count.safetensors",
    )  # fmt: skip


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "run", Counting(17), resume=False)
    assert not (tmp_path / "run" / "count.safetensors").exists()
    learner = Counting(-1)
    assert go(tmp_path / "run", learner, resume=True).is_file()
    lines = [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [10, 20, 30]
    with pytest.raises(SettingsError, match="--resume"):
        go(tmp_path / "run", Counting(-1), resume=False)


def test_a_card_that_is_not_there_is_refused() -> None:
    if not torch.cuda.is_available():
        assert torch_device("auto") == torch_device("cpu") == "cpu"
        with pytest.raises(SettingsError, match="--device cuda"):
            torch_device("cuda")
