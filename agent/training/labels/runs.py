"""A training on recordings in a folder of its own: checkpoint, curve, TensorBoard files, progress; the same for all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from rich.console import Console
from torch import Tensor

from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.models.sealed import save_sealed
from agent.training.folder import TrainingFolder, add_line
from agent.training.labels.options import Device
from agent.training.progress import TrainingProgress
from agent.training.tensorboard import check_wanted, open_scalars

KEEP_EVERY_S: Final = 60.0
LINE_EVERY: Final = 10


class Learner(Protocol):
    """What is trained: `updates` done, one more, and everything that a restart needs."""

    updates: int

    def update(self) -> dict[str, float]:
        """One update; figures by name."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""


def torch_device(asked: Device) -> str:
    """The device's name for torch; raises SettingsError where it is not there."""
    if asked == "cuda" and not torch.cuda.is_available():
        raise SettingsError("--device cuda: torch finds no card here; name --device cpu, or auto")
    return "cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu"


def run(
    out: Path, asked: dict[str, Any], learner: Learner, steps: int, clock: Clock, console: Console, *,
    name: str, resume: bool, tensorboard: bool | None, finish: Callable[[], dict[str, Any]], file: str,
) -> Path:  # fmt: skip
    """Train to `steps` updates in the folder and seal what `finish` gives; interrupted, it keeps what it has.

    asked: what a checkpoint must be of. finish: the arguments of `save_sealed`, when the last update is done.
    """
    check_wanted(tensorboard)
    folder = TrainingFolder(out, asked, resume=resume)
    with contextlib.closing(folder):
        folder.make()
        found = folder.checkpoint()
        if found is not None:
            learner.load_tensors({key: torch.from_numpy(array.copy()) for key, array in found[0].items()})
        _train(folder, learner, steps, clock, console, name, tensorboard)
        values = finish()
        with folder.writing():
            save_sealed(out / file, **values)
    return out / file


def _train(
    folder: TrainingFolder, learner: Learner, steps: int, clock: Clock, console: Console, name: str,
    tensorboard: bool | None,
) -> None:  # fmt: skip
    def keep() -> None:
        folder.keep({key: t.detach().cpu().numpy() for key, t in learner.tensors().items()}, {})

    keep()
    events = open_scalars(folder.path, clock.wall_utc_ns() * 1e-9, tensorboard, from_step=learner.updates)
    kept_s = clock.now_s()
    sums: dict[str, float] = {}
    shown = TrainingProgress(console, clock, name, learner.updates, steps)
    try:
        with shown as progress, folder.curve(learner.updates) as curve:
            while learner.updates < steps:
                for key, value in learner.update().items():
                    sums[key] = sums.get(key, 0.0) + value
                if learner.updates % LINE_EVERY == 0 or learner.updates >= steps:
                    count = learner.updates % LINE_EVERY or LINE_EVERY
                    means, sums = {key: value / count for key, value in sums.items()}, {}
                    with folder.writing():
                        add_line(curve, {"steps": learner.updates, **means})
                    events.add(clock.wall_utc_ns() * 1e-9, learner.updates, means)
                    progress.update(learner.updates, f"{name}, loss {means[next(iter(means))]:.4g}")
                if clock.now_s() - kept_s >= KEEP_EVERY_S:
                    kept_s = clock.now_s()
                    keep()
    finally:
        events.close()
        keep()
        if learner.updates < steps:
            console.print(
                f"{learner.updates} of {steps} updates; kept in {folder.path}: --resume goes on",
                soft_wrap=True, highlight=False, markup=False,
            )  # fmt: skip
