"""Scalars for TensorBoard, written by tensorboardX, which the extra `train` installs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from agent.core.errors import SettingsError

MISSING: Final = "tensorboardX is not installed; pip install 'metabonk-apex[train]'"


class Scalars:
    """Appends scalars to one event file of its own in a folder; `writer` is None where nothing is written."""

    def __init__(self, writer: Any | None) -> None:
        self._writer = writer

    @property
    def is_on(self) -> bool:
        """True where files are written."""
        return self._writer is not None

    def add(self, wall_s: float, step: int, scalars: Mapping[str, float]) -> None:
        """Write the scalars of one step; they are on disk a second later. wall_s: UTC, seconds since 1970."""
        if self._writer is None:
            return
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step, walltime=wall_s)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


def can_write() -> bool:
    """True where tensorboardX is installed."""
    return find_spec("tensorboardX") is not None


def check_wanted(wanted: bool | None) -> None:
    """Raise SettingsError where files are asked for and cannot be written."""
    if wanted and not can_write():
        raise SettingsError(f"--tensorboard: {MISSING}, or leave --tensorboard out")


def open_scalars(folder: Path, wall_s: float, wanted: bool | None, *, from_step: int = 0) -> Scalars:
    """The writer of a folder; `wanted` None writes where tensorboardX is installed. Raises SettingsError.

    wall_s is in the file's name, so that trainings in one folder never share a file. What is shown of steps after
    `from_step`, which are done again, ends with this file.
    """
    check_wanted(wanted)
    if wanted is False or not can_write():
        return Scalars(None)
    from tensorboardX import SummaryWriter

    return Scalars(
        SummaryWriter(
            str(folder),
            purge_step=from_step + 1 if from_step else None,
            flush_secs=1,
            filename_suffix=f".{int(wall_s * 1000)}",
        )
    )
