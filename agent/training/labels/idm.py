"""Training of an inverse dynamics model on recordings with actions, and its sealed file."""

from __future__ import annotations

from pathlib import Path
from statistics import mode
from typing import Any

import msgspec
import torch
from rich.console import Console

from agent.core.clock import Clock
from agent.core.errors import WeightsError
from agent.learning.inverse_dynamics.calibration import Calibration
from agent.learning.inverse_dynamics.judging import calibrated, lag_of, measured, parts
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.inverse_dynamics.learner import IdmConfig, IdmLearner
from agent.learning.inverse_dynamics.targets import Targets
from agent.learning.pixels.episodes import Episodes
from agent.learning.pixels.layout import ActionLayout, layout_of
from agent.learning.pixels.load import open_episodes
from agent.models.inverse_dynamics.network import InverseDynamics
from agent.models.inverse_dynamics.sizes import IDM_KIND, IdmSizes
from agent.models.sealed import load_sealed
from agent.training.labels.options import MODEL_FILE, IdmOptions
from agent.training.labels.runs import run, torch_device

LAGS_OF: int = 8
"""Recordings whose own lag is fitted and told."""


def train_idm(options: IdmOptions, clock: Clock, console: Console) -> dict[str, Any]:
    """Train, calibrate and measure; the file's notes, which say how good it is."""
    options.check()
    torch.set_num_threads(1)
    say = _sayer(console)
    episodes = open_episodes(options.npz_dir, hz=options.hz, say=say)
    learned, calibrating, testing = parts(episodes, options.held_out, options.seed)
    assert learned.layout is not None
    targets = Targets(learned.layout)
    sizes = IdmSizes(
        outputs=targets.outputs, inputs=options.inputs, window=options.window, lags=min(6, options.window - 1)
    )
    config = IdmConfig(batch=options.batch, steps=options.steps)
    learner = IdmLearner(learned, sizes, config, seed=options.seed, device=torch_device(options.device))
    said = f"{len(learned)} episodes, {learned.pictures:,} pictures; {len(calibrating)} to calibrate, {len(testing)} to"
    say(f"learns what is done ({_told(learned.layout)}) from {said} measure")
    asked = {
        "learns": IDM_KIND, "seed": options.seed, "layout": _controls(learned.layout),
        "sizes": msgspec.to_builtins(sizes), "config": msgspec.to_builtins(config), "episodes": len(episodes),
    }  # fmt: skip
    notes: dict[str, Any] = {}

    def finish() -> dict[str, Any]:
        notes.update(_judged(learner, calibrating, testing))
        return {
            "tensors": {name: t.cpu().numpy() for name, t in learner.network.state_dict().items()},
            "kind": IDM_KIND, "layout": {"controls": _controls(targets.layout)}, "sizes": msgspec.to_builtins(sizes),
            "created_by": f"python -m agent label train --steps {options.steps} --seed {options.seed}",
            "notes": notes,
        }  # fmt: skip

    path = run(
        options.out, asked, learner, options.steps, clock, console, name=IDM_KIND, resume=options.resume,
        tensorboard=options.tensorboard, finish=finish, file=MODEL_FILE,
    )  # fmt: skip
    say(f"{path}: {described(notes)}")
    return notes


def _judged(learner: IdmLearner, calibrating: Episodes, testing: Episodes) -> dict[str, Any]:
    network = learner.network.cpu()
    labeller = calibrated(network, learner.targets, calibrating)
    lags = {}
    for episode in (*testing.items, *calibrating.items)[:LAGS_OF]:
        lag, losses = lag_of(network, learner.targets, episode)
        if lag >= 0:
            lags[episode.name] = {"lag_steps": lag, "lag_ms": round(1000.0 * lag * episode.dt_s), "losses": losses}
    found = [entry["lag_steps"] for entry in lags.values()]
    return {
        "updates": learner.updates, "calibration": msgspec.to_builtins(labeller.calibration),
        "temperatures": labeller.calibration.temperatures(learner.targets),
        "held_out": measured(labeller, testing), "lag_steps": mode(found) if found else None,
        "lags": lags,
    }  # fmt: skip


def described(notes: dict[str, Any]) -> str:
    """How good a model is, in words."""
    h, lag = notes["held_out"], notes["lag_steps"]
    late = "" if lag is None else f"; actions show {lag} steps late"
    return (
        f"on held-out episodes macro-F1 {h['macro_f1']:.3f} (copying the action before: {h['copy_macro_f1']:.3f}), "
        f"beginnings of presses F1 {h['onset_f1']:.3f} ({h['copy_onset_f1']:.3f}), calibration error {h['ece']:.3f}, "
        f"{h['kept_share']:.0%} of the labels stay and are {h['kept_accuracy']:.1%} right{late}"
    )


def load_idm(path: Path) -> Labeller:
    """The sealed model as a labeller; raises WeightsError."""
    manifest, tensors = load_sealed(path)
    if manifest.kind != IDM_KIND:
        raise WeightsError(f"{path}: holds a {manifest.kind}, a model of inverse dynamics is needed")
    try:
        sizes = msgspec.convert(manifest.sizes, IdmSizes)
        calibration = msgspec.convert(manifest.notes.get("calibration", {}), Calibration)
        targets = Targets(layout_of(manifest.layout.get("controls"), str(path)))
        network = InverseDynamics(sizes)
        network.load_state_dict({name: torch.from_numpy(t.copy()) for name, t in tensors.items()})
    except (msgspec.ValidationError, RuntimeError) as error:
        raise WeightsError(f"{path}: no model of inverse dynamics: {' '.join(str(error).split())[:200]}") from error
    if targets.outputs != sizes.outputs:
        raise WeightsError(f"{path}: has {sizes.outputs} outputs, its controls need {targets.outputs}")
    return Labeller(network, targets, calibration)


def _controls(layout: ActionLayout) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.to_builtins(layout.controls)
    return list(found)


def _told(layout: ActionLayout) -> str:
    names = [control.name for control in layout.controls]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _sayer(console: Console) -> Any:
    return lambda text: console.print(text, soft_wrap=True, highlight=False, markup=False)
