"""The curve of a training in the arena as a picture and a result file.

    python -m tools.scripts.plot_training DIR [--players FILE.json] [--picture docs/pictures/training.png]
                                             [--out FILE.json]

DIR is what `python -m agent train --game arena --out DIR` wrote. The mean score of the last 100 finished runs is drawn
over decisions, with the end of the lessons and the scripted player's interval for comparison; below it the mean reward
of a decision, which is what PPO raises. That mean is of training:
actions are sampled, and runs that end soon are counted more often, so `tools/bench/players.py` has the last word.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from agent.models.sealed import read_manifest
from agent.training.arena.train import SCRIPT_LEAVES
from tools.bench._result_file import publish

matplotlib.use("Agg")
from matplotlib import pyplot as plt

POINTS = 60
MIN_RUNS = 20
SMOOTH = 100
LAST = 1_000_000
MEANS = ("reward", "score_s", "wins")
SERIES = (
    "score_s",
    "wins",
    "reward",
    "imitation_axes",
    "imitation_choices",
    "entropy",
    "approx_kl",
    "explained_variance",
)


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """All lines of a training's curve."""
    lines = (folder / "curve.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def draw(curve: list[dict[str, Any]], kiter: dict[str, float] | None, picture: Path) -> None:
    """Score, and reward of a decision, over decisions."""
    figure, (axes, below) = plt.subplots(
        2, 1, figsize=(8, 5.5), layout="constrained", sharex=True, height_ratios=(2.5, 1)
    )
    scored = [row for row in curve if "score_s" in row and row.get("episodes", MIN_RUNS) >= MIN_RUNS]
    axes.plot(
        [r["steps"] / 1e6 for r in scored], [r["score_s"] for r in scored], label="pilot, last 100 runs of training"
    )
    ended = max((row["steps"] for row in curve if row["lesson"] == 1.0), default=0) / 1e6
    for part in (axes, below) if ended else ():
        part.axvline(SCRIPT_LEAVES * ended, color="grey", linestyle="--", label="before: the script plays too")
        part.axvline(ended, color="grey", linestyle=":", label="lessons end, PPO begins")
    if kiter is not None:
        axes.axhspan(kiter["mean_low"], kiter["mean_high"], color="tab:orange", alpha=0.3, label="kiter, 95 % interval")
    axes.set(ylabel="score, s", ylim=(0, 1250), title="A pilot learns the arena")
    axes.legend(loc="lower right")
    wide = min(SMOOTH, len(curve))
    means = np.convolve([row["reward"] for row in curve], np.full(wide, 1 / wide), "valid")
    below.plot([row["steps"] / 1e6 for row in curve[wide - 1 :]], means)
    below.set(xlabel="decisions, millions", ylabel="reward a decision")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


def phases(curve: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over the last million decisions of lessons and of PPO: reward, score and wins of the last 100 runs."""
    found = {}
    for name, lesson in (("lessons", 1.0), ("ppo", 0.0)):
        rows = [row for row in curve if row["lesson"] == lesson and "score_s" in row]
        rows = [row for row in rows if row["steps"] > rows[-1]["steps"] - LAST]
        if rows:
            found[name] = {key: round(float(np.mean([r[key] for r in rows])), 5) for key in MEANS}
    return found


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--players", type=Path, default=Path("docs/results/players.json"))
    parser.add_argument("--picture", type=Path, default=Path("docs/pictures/training.png"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    curve = read_curve(args.folder)
    kiter = None
    if args.players.exists():
        kiter = json.loads(args.players.read_text(encoding="utf-8"))["policies"]["kiter"]["score_s"]
    draw(curve, kiter, args.picture)
    manifest = read_manifest(args.folder / "pilot.safetensors")
    every = max(1, len(curve) // POINTS)
    thin = [{k: r[k] for k in ("steps", "wall_s", "episodes", *SERIES) if k in r} for r in curve[::every]]
    values = {
        "command": manifest.created_by, "notes": manifest.notes, "sizes": manifest.sizes,
        "decisions": curve[-1]["steps"], "last_million_of": phases(curve),
        "runs_finished": curve[-1]["episodes"], "wall_s": curve[-1]["wall_s"], "curve": thin,
    }  # fmt: skip
    publish("pilot_training", values, args.out)


if __name__ == "__main__":
    main()
