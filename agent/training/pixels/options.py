"""Options of worlds. Imports no torch: they are read for every help page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.models.pixels.sizes import Arm

Phase = Literal["tokenizer", "transformer", "dynamics", "all"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True)
class WorldOptions:
    """What a world is learned from, how long, and where it is kept."""

    recordings: Path
    """A folder of .npz episodes, videos or recordings of this program, or one of them."""
    out: Path
    """The folder of the world, its checkpoints, curves and TensorBoard files."""
    phase: Phase = "all"
    """tokenizer; dynamics (or transformer), which needs the tokenizer of --out where --arm is maskgit; or all."""
    arm: Arm = "cnn"
    """How the next picture is predicted: cnn, in one pass, or maskgit, a transformer over codes."""
    regimes: int = 0
    """Learn so many kinds of screens without labels, such as play and menus; 0: none."""
    size_px: int = 64
    """Sides of a picture: 64 for a processor, 128 for a card."""
    seq_len: int | None = None
    """Pictures that the transformer sees together, 3 to 64. Default: 8; of 128 pixels, 16."""
    steps: int = 4000
    """Steps of gradient descent of each phase."""
    minutes: float = 90.0
    """A phase ends after so many minutes of training, those before --resume counted."""
    held_out: float = 0.1
    """Share of the episodes that are only measured with."""
    hz: float = 10.0
    """Pictures a second that are kept of videos and of recordings of this program."""
    seed: int = 0
    """Seed of the networks, of what is sampled and of the split."""
    device: Device = "auto"
    """cuda, cpu, or auto: a card where torch sees one."""
    blind: bool = False
    """Do not tell the dynamics the actions: a control that must not follow them."""
    resume: bool = False
    """Go on from the folder's checkpoints; a phase that is done is left."""
    tensorboard: bool | None = None
    """Write TensorBoard files, which needs the extra `train`. Default: where it is installed."""
    cache: Path | None = None
    """Where resized pictures lie. Default: the user's cache."""


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """Which world is measured, and on what."""

    world: Path
    """The world's file."""
    recordings: Path
    """Recordings; of those that it learned from only the held-out episodes count."""
    windows: int = 128
    """Stretches of pictures that are measured."""
    long_steps: int = 500
    """Pictures of its own behind one another; 0: not measured."""
    hz: float = 10.0
    """Pictures a second that are kept of videos and of recordings of this program."""
    report: Path | None = None
    """Write the JSON report here."""
    cache: Path | None = None
    """Where resized pictures lie. Default: the user's cache."""
