"""Options of learning from recordings and of labelling them. Imports nothing that is slow to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from agent.core.errors import SettingsError
from agent.games.options import check_bounds

Device = Literal["auto", "cpu", "cuda"]
EPISODES: Final = Path("rollouts/video_demos")
LABELLED: Final = Path("rollouts/video_demos_labeled")
REWARDED: Final = Path("rollouts/video_demos_rewarded")
MODEL_FOLDER: Final = Path("checkpoints/idm")
MODEL_FILE: Final = "inverse-dynamics.safetensors"
REWARD_FOLDER: Final = Path("checkpoints/reward")
REWARD_FILE: Final = "progress-reward.safetensors"


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Which recordings."""

    npz_dir: Path = EPISODES
    """Folder of recordings: .npz episodes, videos (.mp4, .mkv, …) and journals, in any depth."""
    hz: float = 10.0
    """Pictures a second that are read of videos and journals; .npz episodes are read whole."""
    device: Device = "auto"
    """Where the network works: a card where there is one, else the processor."""

    def check(self) -> None:
        """Raise SettingsError where a number is out of its bounds."""
        check_bounds("--hz", self.hz, 0.1, 1000.0)


@dataclass(frozen=True, kw_only=True)
class LearnOptions(SourceOptions):
    """How a network learns from recordings."""

    steps: int = 600
    """Updates."""
    batch: int = 16
    """Windows, or pairs of pictures, of an update."""
    held_out: float = 0.1
    """Share of the episodes to measure with; as many again to calibrate with."""
    seed: int = 0
    """Seed of the network, of the windows and of the split."""
    resume: bool = False
    """Go on from the folder's checkpoint."""
    tensorboard: bool | None = None
    """Write TensorBoard files, which needs the extra `train`. Default: where it is installed."""

    def check(self) -> None:
        """Raise SettingsError where a number is out of its bounds."""
        super().check()
        check_bounds("--steps", self.steps, 1, 10**9)
        check_bounds("--batch", self.batch, 1, 4096)
        if not 0.0 < self.held_out < 0.9:
            raise SettingsError(f"--held-out {self.held_out:g}: above 0 and below 0.9")


@dataclass(frozen=True, kw_only=True)
class IdmOptions(LearnOptions):
    """How an inverse dynamics model is trained."""

    out: Path = MODEL_FOLDER
    """The folder of the model, its curve, TensorBoard files and checkpoint."""
    inputs: Literal["both", "pixels", "flow"] = "both"
    """What it reads: pictures, the flow between them, or both."""
    window: int = 17
    """Steps that are read together."""

    def check(self) -> None:
        """Raise SettingsError where a number is out of its bounds."""
        super().check()
        check_bounds("--window", self.window, 1, 64)


@dataclass(frozen=True, kw_only=True)
class LabelOptions(SourceOptions):
    """What is labelled, by which model."""

    model: Path = MODEL_FOLDER / MODEL_FILE
    """The model, as `label train` writes it."""
    out_npz_dir: Path = LABELLED
    """Folder of the labelled episodes; those that this model labelled before are left as they are."""
    keep: float = 0.8
    """Labels of a smaller confidence are unknown, and cloning does not learn from them."""

    def check(self) -> None:
        """Raise SettingsError where a number is out of its bounds."""
        super().check()
        check_bounds("--keep", self.keep, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class RewardTrainOptions(LearnOptions):
    """How a reward of progress is learned."""

    out: Path = REWARD_FOLDER
    """The folder of the network, its curve, TensorBoard files and checkpoint."""


@dataclass(frozen=True, kw_only=True)
class RewardLabelOptions(SourceOptions):
    """What gets a reward of progress, by which network."""

    model: Path = REWARD_FOLDER / REWARD_FILE
    """The network, as `label reward-train` writes it."""
    out_npz_dir: Path = REWARDED
    """Folder of the episodes with rewards; those that this network made before are left as they are."""
