"""Options of training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from agent.core.settings import ConfigOption
from agent.games.options import check_bounds, check_view

Network = Literal["auto", "towers", "shared", "small", "nature", "residual"]
LrSchedule = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True, kw_only=True)
class EnvironmentOptions:
    """How a Gymnasium environment is trained on; None: as the preset says."""

    preset: str | None = None
    """How a Gymnasium environment is trained on: vectors, pictures, small-pictures, memory, or a TOML file of your own.
    Default: what the game shows. The options below stand above it."""
    copies: int | None = None
    """Copies of a Gymnasium environment, or games of a dreamer, that are stepped together. Default: the preset's."""
    frame_skip: int | None = None
    """Steps of the environment for each action, whose rewards are added. Default: the profile's, else 1."""
    frame_stack: int | None = None
    """The last observations that the policy sees together. Default: the preset's."""
    picture_px: int | None = None
    """Pictures are at most so many pixels wide and high. Default: the preset's."""
    paint_flags: bool | None = None
    """Show a picture of flags, as MinAtar's, as three colours, not a channel for each."""
    network: Network | None = None
    """towers or shared for numbers; small, nature or residual for pictures; auto: what fits. Default: the preset's."""
    width: int | None = None
    """Units of a layer behind what is seen. Default: the preset's."""
    memory: int | None = None
    """Units of a liquid memory; 0 for none. Default: the preset's."""
    gamma: float | None = None
    """Discount of a decision. Default: the preset's."""
    lr: float | None = None
    """Learning rate at its highest. Default: the preset's."""
    lr_schedule: LrSchedule | None = None
    """How the learning rate falls to 0 over --steps. Default: the preset's."""

    def check(self) -> None:
        """Raise SettingsError where a number is out of its bounds."""
        check_view(self)
        check_bounds("--copies", self.copies, 1, 256)
        check_bounds("--frame-stack", self.frame_stack, 1, 16)
        check_bounds("--width", self.width, 8, 4096)
        check_bounds("--memory", self.memory, 0, 1024)
        check_bounds("--gamma", self.gamma, 0.0, 0.99999)
        check_bounds("--lr", self.lr, 1e-8, 1.0)

    def given(self) -> list[str]:
        """The options of environments alone that were given, as they are written."""
        names = [f.name for f in fields(EnvironmentOptions) if f.name != "copies"]
        return ["--" + name.replace("_", "-") for name in names if getattr(self, name) is not None]


@dataclass(frozen=True, kw_only=True)
class HeldOutOptions:
    """How a training on a Gymnasium environment is measured on the way."""

    eval_every: int | None = None
    """Play --eval-episodes on seeds that training never sees, every so many steps; the best weights are kept as
    best.safetensors. Default: not at all."""
    eval_episodes: int = 10
    """Episodes of each such measurement; the likeliest actions are taken."""

    def check_held_out(self) -> None:
        """Raise SettingsError where a number is out of its bounds."""
        check_bounds("--eval-every", self.eval_every, 1, 10**12)
        check_bounds("--eval-episodes", self.eval_episodes, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(ConfigOption, HeldOutOptions, EnvironmentOptions):
    """What a policy is trained on, for how long, and where it is kept."""

    game: str = "arena"
    """arena, gym:[MODULE:]ID, dream:FILE, or MODULE:FACTORY: a Gymnasium environment of your own."""
    policy: Literal["pilot", "motor"] = "pilot"
    """In the arena: a pilot, or a motor of chunks that pursues subgoals, on the pilot of --begin or the shipped one."""
    steps: int
    """Decisions of all runs together."""
    out: Path
    """The folder of weights, curve, TensorBoard files and checkpoints."""
    seed: int = 0
    """Seed of the network and of the runs."""
    lesson_steps: int | None = None
    """In the arena, so many of the steps are lessons by a script, before PPO. Default: a third."""
    begin: Path | None = None
    """In the arena, a pilot's weights to begin with. Default: random ones; for a motor, the shipped pilot's."""
    from_recordings: Path | None = None
    """Clone what was done in the recordings of this folder, instead of playing; of a Gymnasium environment that shows
    pictures. --steps are then the pictures that are learned from."""
    loop_starts: float = 0.0
    """In the arena, the share of a pilot's runs that start from states before loops, where time was lost before."""
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
