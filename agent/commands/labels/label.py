"""The commands `label`, `label train`, `label reward-train` and `label reward`."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App
from rich.console import Console

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.training.labels.options import IdmOptions, LabelOptions, RewardLabelOptions, RewardTrainOptions

app = App(name="label")
_LABEL: Final = LabelOptions()
_TRAIN: Final = IdmOptions()
_REWARD_TRAIN: Final = RewardTrainOptions()
_REWARD: Final = RewardLabelOptions()


@app.default
def label(options: Annotated[LabelOptions, FLAT] = _LABEL) -> int:
    """Label recordings and videos with what was done, as a model of inverse dynamics tells it.

    Each becomes an .npz episode with actions, how sure each is (confidence) and what stays unknown.
    """
    from agent.core.clock import SystemClock
    from agent.training.labels.label import label as run

    made = run(options, SystemClock(), Console(stderr=True))
    rate = made["played_s"] / made["seconds"] if made["seconds"] else 0.0
    share = made["kept"] / max(1, made["labels"])
    text = f"{options.out_npz_dir}: {made['files']} episodes labelled, {made['left']} were there"
    if made["files"]:
        text += f"; {made['pictures']:,} pictures at {rate:.0f} x real time, {share:.0%} of the labels stay"
    print(printable(text))
    for name, shift in made["shifts"].items():
        if shift:
            print(printable(f"{name}: its own actions are recorded {shift:+d} pictures from where they show"))
    return 0


@app.command(name="train")
def train_labels(options: Annotated[IdmOptions, FLAT] = _TRAIN) -> int:
    """Train the model of inverse dynamics on recordings with actions; it is calibrated and measured on others."""
    from agent.core.clock import SystemClock
    from agent.training.labels.idm import train_idm

    train_idm(options, SystemClock(), Console(stderr=True))
    return 0


@app.command(name="reward-train")
def train_reward(options: Annotated[RewardTrainOptions, FLAT] = _REWARD_TRAIN) -> int:
    """Learn from recordings that end at a goal how near each picture is to it."""
    from agent.core.clock import SystemClock
    from agent.training.labels.reward import train_progress

    train_progress(options, SystemClock(), Console(stderr=True))
    return 0


@app.command(name="reward")
def label_reward(options: Annotated[RewardLabelOptions, FLAT] = _REWARD) -> int:
    """Give recordings rewards of progress: what each step gains towards the goal, as the network sees it."""
    from agent.core.clock import SystemClock
    from agent.training.labels.reward import label_progress

    written, left = label_progress(options, SystemClock(), Console(stderr=True))
    print(printable(f"{options.out_npz_dir}: {written} episodes with rewards, {left} were there"))
    return 0
