"""Training of a reward of progress on recordings that end at a goal, and rewards of other recordings by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from rich.console import Console

from agent.core.clock import Clock
from agent.core.errors import WeightsError
from agent.core.statistics import bootstrap
from agent.learning.inverse_dynamics.progress import ProgressLearner, correlations, scores_of
from agent.learning.pixels.episodes import Episode
from agent.learning.pixels.load import open_episodes
from agent.models.inverse_dynamics.network import Progress
from agent.models.inverse_dynamics.sizes import PROGRESS_KIND, ProgressSizes
from agent.models.sealed import load_sealed, read_manifest
from agent.training.labels.label import rewrite
from agent.training.labels.options import REWARD_FILE, RewardLabelOptions, RewardTrainOptions
from agent.training.labels.runs import run, torch_device


def train_progress(options: RewardTrainOptions, clock: Clock, console: Console) -> dict[str, Any]:
    """Train and measure on held-out episodes; the file's notes."""
    options.check()
    torch.set_num_threads(1)

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    episodes = open_episodes(options.npz_dir, hz=options.hz, say=say)
    learned, testing = episodes.split(options.held_out, seed=options.seed)
    sizes = ProgressSizes()
    learner = ProgressLearner(
        learned, sizes, batch=options.batch, steps=options.steps, seed=options.seed, device=torch_device(options.device)
    )
    say(f"learns progress from {len(learned)} episodes, {learned.pictures:,} pictures; {len(testing)} to measure")
    asked = {
        "learns": PROGRESS_KIND, "seed": options.seed, "sizes": msgspec.to_builtins(sizes), "batch": options.batch,
        "steps": options.steps, "episodes": len(episodes),
    }  # fmt: skip
    notes: dict[str, Any] = {}

    def finish() -> dict[str, Any]:
        network = learner.network.cpu()
        found = np.array(correlations(network, testing))
        gains = np.concatenate([np.diff(scores_of(network, e.frames)) for e in learned.items[:50]])
        interval = bootstrap(found) if len(found) > 1 else None
        notes.update(
            rank_correlation=round(float(found.mean()), 4) if len(found) else 0.0, episodes=len(found),
            gain_std=float(gains.std()) or 1.0, updates=learner.updates,
        )  # fmt: skip
        if interval is not None:
            notes.update(low=round(interval.low, 4), high=round(interval.high, 4))
        return {
            "tensors": {name: t.numpy() for name, t in network.state_dict().items()}, "kind": PROGRESS_KIND,
            "layout": {"picture": [sizes.size_px, sizes.size_px, 3]}, "sizes": msgspec.to_builtins(sizes),
            "created_by": f"python -m agent label reward-train --steps {options.steps} --seed {options.seed}",
            "notes": notes,
        }  # fmt: skip

    path = run(
        options.out, asked, learner, options.steps, clock, console, name=PROGRESS_KIND, resume=options.resume,
        tensorboard=options.tensorboard, finish=finish, file=REWARD_FILE,
    )  # fmt: skip
    say(f"{path}: rank correlation with the time to the goal {notes['rank_correlation']:.3f} on held-out episodes")
    return notes


def load_progress(path: Path) -> Progress:
    """The sealed network; raises WeightsError."""
    manifest, tensors = load_sealed(path)
    if manifest.kind != PROGRESS_KIND:
        raise WeightsError(f"{path}: holds a {manifest.kind}, a reward of progress is needed")
    try:
        network = Progress(msgspec.convert(manifest.sizes, ProgressSizes))
        network.load_state_dict({name: torch.from_numpy(t.copy()) for name, t in tensors.items()})
    except (msgspec.ValidationError, RuntimeError) as error:
        raise WeightsError(f"{path}: no reward of progress: {' '.join(str(error).split())[:200]}") from error
    return network


def label_progress(options: RewardLabelOptions, clock: Clock, console: Console) -> tuple[int, int]:
    """Give every episode of a folder `rewards` and `progress`; how many were written, and how many were there.

    progress f32 [T] is the score of each picture, and rewards f32 [T] what each step gains of it, both in units of a
    usual step of training.
    """
    options.check()
    if not options.model.is_file():
        raise WeightsError(
            f"--model {options.model}: there is no such file; make one with `python -m agent label reward-train`"
        )
    network = load_progress(options.model).to(torch_device(options.device))
    manifest = read_manifest(options.model)
    told = {"model": manifest.sha256[:16]}
    unit = float(manifest.notes.get("gain_std", 1.0))

    def made(episode: Episode) -> dict[str, Any]:
        progress = scores_of(network, episode.frames) / unit
        rewards = np.append(np.diff(progress), 0.0).astype(np.float32)
        return {"arrays": {"rewards": rewards, "progress": progress.astype(np.float32)}, "rewarded": told}

    return rewrite(options, options.out_npz_dir, network.sizes.size_px, "rewarded", told, made, clock, console)
