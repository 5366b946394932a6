"""Calibration and measures of a trained model on held-out episodes; lags of single recordings."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from agent.core.errors import RecordingError
from agent.core.types import FloatArray
from agent.learning.inverse_dynamics.calibration import Calibration, ece, fit
from agent.learning.inverse_dynamics.inputs import Flow
from agent.learning.inverse_dynamics.labels import KEPT, Labeller
from agent.learning.inverse_dynamics.learner import lag_losses, read_episode
from agent.learning.inverse_dynamics.scores import Tally, copied
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.episodes import Episode, Episodes
from agent.models.inverse_dynamics.network import InverseDynamics

MIN_EPISODES: Final = 3
SHIFTS: Final = 8
NEARLY: Final = 0.4
TELLS_NATS: Final = 0.05
SURE: Final = 4.0
"""A shift is told where it stands out from the others by so many of their standard deviations."""
_FEW_STEPS: Final = 20


def parts(episodes: Episodes, held_out: float, seed: int) -> tuple[Episodes, Episodes, Episodes]:
    """Episodes to learn from, to calibrate with and to measure with; raises RecordingError for fewer than three."""
    labelled = episodes.of([i for i, e in enumerate(episodes.items) if e.actions is not None])
    if len(labelled) < MIN_EPISODES:
        raise RecordingError(
            f"{len(labelled)} episodes with actions: at least {MIN_EPISODES} are needed, to learn from, to calibrate "
            "with and to measure with; record more, or record with a smaller --max-frames"
        )
    count = min(len(labelled) - 2, max(1, round(held_out * len(labelled))))
    rest, measured = labelled.split(count / len(labelled), seed=seed)
    learned, calibrating = rest.split(min(count, len(rest) - 1) / len(rest), seed=seed + 1)
    return learned, calibrating, measured


def calibrated(network: InverseDynamics, targets: Targets, episodes: Episodes) -> Labeller:
    """The model with the calibration that fits these episodes, which it must not have learned from."""
    plain = Labeller(network, targets, Calibration())
    logits, classes, counted = [], [], []
    for episode in episodes.items:
        actions, known = _done(episode)
        logits.append(plain.logits(episode.frames))
        classes.append(targets.classes(actions[:-1]))
        counted.append(targets.counted(actions[:-1], None if known is None else known[:-1]))
    if not sum(int(c.sum()) for c in counted):
        return plain
    found = fit(
        targets, torch.cat(logits), torch.from_numpy(np.concatenate(classes)), torch.from_numpy(np.concatenate(counted))
    )
    return Labeller(network, targets, found)


def _done(episode: Episode) -> tuple[FloatArray, NDArray[np.bool_] | None]:
    assert episode.actions is not None
    return episode.actions, episode.known


def measured(labeller: Labeller, episodes: Episodes, *, keep: float = KEPT) -> dict[str, Any]:
    """Figures of labels on held-out episodes, beside those of copying the action before.

    accuracy: of choices and keys, over the controls' classes; kept_share and kept_accuracy: of labels that stay.
    ece: of all labels. mae: of axes; click_error: of clicks, in sides of the picture.
    """
    targets = labeller.targets
    model, copy = Tally(targets.layout), Tally(targets.layout)
    confidences, rights, kept = [], [], []
    axis_error: list[float] = []
    click_error: list[float] = []
    for episode in episodes.items:
        done, known = _done(episode)
        labels = labeller.label(episode.frames, keep=keep)
        done, told, sure = done[:-1], labels.actions[:-1], labels.confidence[:-1]
        all_known = np.ones(len(done), np.bool_) if known is None else known[:-1].all(-1)
        model.add(done[all_known], told[all_known])
        copy.add(done[all_known], copied(done)[all_known])
        counts = targets.counted(done, None if known is None else known[:-1])
        wanted, found = targets.classes(done), targets.classes(told)
        for i, control in enumerate(targets.layout.controls):
            own = counts[:, i]
            if control.of:  # told where a click was told at all: others are missed presses of its key
                own = own & (told[:, targets.layout.names.index(control.of)] > 0.5)
            if control.kind in ("axis", "position"):
                errors = np.abs(done[own, i] - told[own, i]).tolist()
                (axis_error if control.kind == "axis" else click_error).extend(errors)
                is_right = np.abs(wanted[:, i] - found[:, i]) <= 1  # a label's confidence is of three bins
            else:
                is_right = wanted[:, i] == found[:, i]
            if control.kind == "position":
                continue
            confidences.append(sure[own, i])
            rights.append(is_right[own].astype(np.float32))
            kept.append(sure[own, i] >= keep)
    confidence, right, stays = np.concatenate(confidences), np.concatenate(rights), np.concatenate(kept)
    figures: dict[str, Any] = {f"copy_{name}": value for name, value in copy.figures().items() if name != "presses"}
    figures |= model.figures()
    figures |= {
        "accuracy": float(right.mean()), "ece": ece(confidence, right), "kept_share": float(stays.mean()),
        "kept_accuracy": float(right[stays].mean()) if stays.any() else 0.0, "steps": float(model.steps),
    }  # fmt: skip
    if axis_error:
        figures["axis_mae"] = float(np.mean(axis_error))
    if click_error:
        figures["click_error"] = float(np.median(click_error))
    return {name: round(value, 4) for name, value in figures.items()}


@torch.no_grad()
def lag_of(network: InverseDynamics, targets: Targets, episode: Episode) -> tuple[int, list[float]]:
    """After how many steps the actions of a recording show, and the loss in nats at each lag that was tried.

    It is the first step that tells most of what the best one tells: what an action did is often still there later.
    The lag is −1 where the recording is too short to tell, or no step tells more than the others.
    """
    done, known = _done(episode)
    if len(done) - 1 < network.sizes.lags + _FEW_STEPS:
        return -1, []
    network.eval()
    features = read_episode(network, episode.frames, Flow())[None].cpu()
    classes = torch.from_numpy(targets.classes(done[:-1]))[None]
    counted = torch.from_numpy(targets.counted(done[:-1], None if known is None else known[:-1]))[None]
    losses = [round(float(loss), 4) for loss in lag_losses(network.cpu(), targets, features, classes, counted)]
    if max(losses) - min(losses) < TELLS_NATS:
        return -1, losses
    enough = min(losses) + NEARLY * (max(losses) - min(losses))
    return int(np.argmax(np.array(losses) <= enough)), losses


def shift_of(probabilities: list[FloatArray], targets: Targets, done: FloatArray) -> int:
    """By how many steps recorded actions come later than the model tells them, within SHIFTS; 0 fits as they are.

    Of a recording that says what was done, though not exactly when.
    """
    classes = targets.classes(done)
    steps = len(probabilities[0])
    values: dict[int, float] = {}
    for shift in range(-SHIFTS, SHIFTS + 1):
        first, last = max(0, -shift), min(steps, len(classes) - shift)
        if last - first < _FEW_STEPS:
            continue
        rows = np.arange(first, last)
        likely = [
            np.log(p[rows, classes[rows + shift, i]] + 1e-6).mean()
            for i, p in enumerate(probabilities)
            if targets.layout.controls[i].kind != "position"
        ]
        values[shift] = float(np.mean(likely))
    if len(values) < SHIFTS:
        return 0
    best = max(values, key=lambda shift: (values[shift], -abs(shift)))
    others = np.array([value for shift, value in values.items() if shift != best])
    return best if values[best] - others.mean() >= SURE * others.std() else 0
