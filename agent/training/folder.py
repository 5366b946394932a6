"""A training's folder: whose it is, its checkpoint, and its curve, which never runs backwards.

The checkpoint is there before the first step, so that a training that is killed at any instant can be resumed.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
import numpy as np

from agent.core.errors import SettingsError, WeightsError
from agent.core.files import check_folder, read_text, remove_leftovers, write_atomically
from agent.core.folders import takes_files
from agent.models.sealed import Tensors, load_sealed, read_manifest, save_sealed

CHECKPOINT: Final = "checkpoint.safetensors"
CHECKPOINT_KIND: Final = "training"
CURVE: Final = "curve.jsonl"
BEST: Final = "best.safetensors"
WEIGHTS: Final = ("policy.safetensors", "pilot.safetensors", "motor.safetensors", "dreamer.safetensors", BEST)
LOCK: Final = ".training"
MAX_CURVE_BYTES: Final = 1 << 30


class Line(msgspec.Struct):
    """What every line of the curve has."""

    steps: float


class TrainingFolder:
    """The folder `--out` of one training. `asked`: what its checkpoint must be of."""

    def __init__(self, path: Path, asked: dict[str, Any], *, resume: bool) -> None:
        """Refuse, before any work, what is no folder, takes no files, or holds a training that is not resumed."""
        self.path, self._asked, self._resume = path, asked, resume
        self._held: TextIO | None = None
        if path.exists() and not path.is_dir():
            raise SettingsError(f"--out {path}: is a file; name a folder")
        if not takes_files(path.absolute()):
            raise SettingsError(f"--out {path}: no folder can be made or written there; name another")
        held = [name for name in (CHECKPOINT, CURVE) if (path / name).exists()]
        if held and not resume:
            raise SettingsError(
                f"--out {path}: holds a training ({held[0]}); add --resume to go on, or name another folder"
            )
        weights = [name for name in WEIGHTS if (path / name).exists()]
        if weights and CHECKPOINT not in held:
            raise SettingsError(
                f"--out {path}: holds weights ({weights[0]}) and no {CHECKPOINT} to go on from, and they would be "
                "replaced; name another folder"
            )

    def checkpoint(self) -> tuple[Tensors, dict[str, Any]] | None:
        """The tensors and notes to go on from; None where there are none; raises SettingsError for another training's.

        Without a checkpoint nothing was kept: what curve there is belongs to steps that are lost.
        """
        path = self.path / CHECKPOINT
        if not self._resume or not path.exists():
            return None
        manifest, tensors = load_sealed(path)
        if manifest.kind != CHECKPOINT_KIND or manifest.sizes != self._asked:
            raise SettingsError(f"--resume {path}: holds {manifest.kind} {manifest.sizes}, asked for {self._asked}")
        return tensors, dict(manifest.notes)

    def kept(self) -> dict[str, Any] | None:
        """The notes of the checkpoint to go on from; None where there is none."""
        path = self.path / CHECKPOINT
        return dict(read_manifest(path).notes) if self._resume and path.exists() else None

    def make(self) -> None:
        """Make the folder, and try to write in it; leftovers of a training that was killed go."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"--out {self.path}: {error.strerror or error}") from error
        check_folder("--out", self.path)
        self._lock()
        for folder in (self.path, self.path / "history"):
            remove_leftovers(folder)

    def _lock(self) -> None:
        """Keep other processes from training into the folder while this one lives; not on Windows."""
        if sys.platform == "win32":
            return
        import fcntl

        self._held = (self.path / LOCK).open("w", encoding="ascii")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(f"--out {self.path}: another process trains into it; name another folder") from error
        except OSError:  # a file system without locks
            return

    def close(self) -> None:
        """Let others train into the folder."""
        if self._held is not None:
            self._held.close()

    def keep(self, tensors: Tensors, notes: dict[str, Any]) -> None:
        """Replace the checkpoint; raises WeightsError where a value is not finite, and the one before stays."""
        for name, tensor in tensors.items():
            if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
                raise WeightsError(
                    f"the training has broken down: {name} has values that are not finite; "
                    f"{self.path / CHECKPOINT} stays as it was"
                )
        with self.writing():
            save_sealed(
                self.path / CHECKPOINT, tensors, kind=CHECKPOINT_KIND, layout={}, sizes=self._asked, notes=notes
            )

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A context in which files of the folder are written: what the disk refuses is said in one line."""
        try:
            yield
        except OSError as error:
            raise SettingsError(f"--out {self.path}: {error.strerror or error}; what was kept before stays") from error

    def curve(self, steps: int) -> TextIO:
        """The curve, open at its end, without lines beyond `steps`: those steps are done again."""
        path = self.path / CURVE
        if path.exists():
            lines = [line for line in read_text(path, MAX_CURVE_BYTES).splitlines() if _steps(line) <= steps]
            write_atomically(path, "".join(line + "\n" for line in lines))
        return path.open("a", encoding="utf-8")


def add_line(curve: TextIO, values: dict[str, float]) -> None:
    """One line of the curve, on its way to the disk at once."""
    curve.write(json.dumps({name: round(value, 5) for name, value in values.items()}) + "\n")
    curve.flush()


def _steps(line: str) -> float:
    """The steps of a line; infinite where it was cut short."""
    try:
        return msgspec.json.decode(line, type=Line).steps
    except (msgspec.DecodeError, msgspec.ValidationError):
        return float("inf")
