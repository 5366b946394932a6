"""Options of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.core.settings import ConfigOption


@dataclass(frozen=True, kw_only=True)
class TrainOptions(ConfigOption):
    """What a policy is trained on, for how long, and where it is kept."""

    game: str = "arena"
    """arena, gym:[MODULE:]ID, or MODULE:FACTORY: a Gymnasium environment of your own."""
    steps: int
    """Decisions of all runs together."""
    out: Path
    """The folder of weights, curve, TensorBoard files and checkpoints."""
    seed: int = 0
    """Seed of the network and of the runs."""
    lesson_steps: int | None = None
    """In the arena, so many of the steps are lessons by a script, before PPO. Default: a third."""
    begin: Path | None = None
    """In the arena, a pilot's weights to begin with. Default: random ones."""
    copies: int = 8
    """Copies of a Gymnasium environment, or games of a dreamer, that are stepped together."""
    profile: Path | None = None
    """TOML file that says what is a picture of a Gymnasium environment, and which keys do what."""
    resume: bool = False
    """Go on from the folder's checkpoint."""
    tensorboard: bool | None = None
    """Write TensorBoard files, which needs the extra `train`. Default: where it is installed."""


@dataclass(frozen=True, kw_only=True)
class OutcomesOptions:
    """How many choices are played to learn their outcomes from, and where the model is kept."""

    runs: int = 256
    """Runs of the arena that are played at once."""
    decisions: int = 20_000
    """Decisions of each run."""
    seed: int = 40_000_000
    """Runs have seeds from this one on, far from those of evaluations and of the pilot's own training."""
    epsilon: float = 0.5
    """Chance that a card on offer is taken at random, not by the pilot."""
    max_steps: int = 2000
    """Steps of gradient descent, at most."""
    out: Path | None = None
    """The file. Default: the model that comes with the program, which is replaced."""
