"""Steps a second of our PPO beside stable-baselines3's and rlox's, side by side in one run, at equal return.

    python -m tools.bench.population.throughput --python ENV/bin/python [--seeds 5] [--games cartpole,breakout]

ENV has `stable-baselines3>=2.9,<2.10`, `rlox>=1.2,<1.3`, minatar and the torch of this environment. Each training is a
process of its own with one thread, and the sides take turns within a seed. Ours is what `train` does with its preset;
theirs have their defaults, and stable-baselines3 also every hyper-parameter of our preset. rlox is compared with ours
as rlox has it by default: a tenth of our preset's gradient steps. Steps a second are of
processor time (evaluation and start are not counted), since other work shares the machine; wall time is beside it.
Parts are kept under docs/results/parts/throughput; the same command goes on. --steps: reduced, trainings of so many
steps, whose returns say nothing and are not compared. Passes at 3 times stable-baselines3's
defaults with intervals of the returns that overlap or ours above, and not below rlox.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.core.files import write_atomically
from agent.core.statistics import bootstrap
from tools.bench._result_file import ROOT, publish
from tools.bench.learning.third_party.games import EPISODES
from tools.bench.population._side import GAMES

PARTS: Final = ROOT / "docs" / "results" / "parts" / "throughput"
SIDES: Final = {
    "cartpole": ("ours", "sb3", "sb3-same", "rlox", "ours-as-rlox"),
    "breakout": ("ours", "sb3", "sb3-same"),
}
WANTED: Final = 3.0


def compute(python: Path, game: str, side: str, seed: int, steps: int | None) -> dict[str, Any]:
    """One training in a process of its own."""
    runs = sys.executable if side.startswith("ours") else str(python)
    how = (seed, GAMES[game].steps, EPISODES) if steps is None else (seed, steps, 1)
    words = [runs, "-m", "tools.bench.population._side", side, game, *map(str, how)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=settings, stdout=subprocess.PIPE, text=True, check=True)
    part: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {name: part[name] for name in ("returns", "steps", "wall_s", "cpu_s")}


def summarised(parts: dict[tuple[str, str], list[dict[str, Any]]], *, reduced: bool = False) -> dict[str, Any]:
    """By game and side: steps a second, returns, and how ours compares; reduced: returns are not compared."""
    found: dict[str, Any] = {}
    for (game, side), rows in parts.items():
        means = [float(np.mean(row["returns"])) for row in rows]
        found.setdefault(game, {})[side] = {
            "seeds": len(rows), "return": [round(x, 2) for x in bootstrap(means)],
            "by_seed": [round(x, 2) for x in means],
            "steps_per_cpu_s": round(sum(r["steps"] for r in rows) / sum(r["cpu_s"] for r in rows)),
            "steps_per_wall_s": round(sum(r["steps"] for r in rows) / sum(r["wall_s"] for r in rows)),
        }  # fmt: skip
    for table in found.values():
        for side, theirs in table.items():
            ours = table.get("ours-as-rlox" if side == "rlox" else "ours")
            if ours is None or side.startswith("ours"):
                continue
            theirs["ours_is_times"] = round(ours["steps_per_cpu_s"] / theirs["steps_per_cpu_s"], 2)
            theirs["not_below"] = None if reduced else ours["return"][2] >= theirs["return"][1]
    return found


def passed(found: dict[str, Any]) -> bool:
    """3 times stable-baselines3's defaults at a return that is not below, and with rlox's own as quick as rlox."""
    rows = [table["sb3"] for table in found.values() if "sb3" in table]
    quick = [r["ours_is_times"] >= WANTED and r["not_below"] is not False for r in rows]
    beside = [table["rlox"]["ours_is_times"] >= 1.0 for table in found.values() if "rlox" in table]
    return bool(quick) and all(quick) and all(beside)


def main() -> None:
    """Run what is missing, and say what all show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--games", default=",".join(SIDES))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--folder", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    until_s, parts = time.monotonic() + 60.0 * args.minutes, dict[tuple[str, str], list[dict[str, Any]]]()
    for seed in range(args.seeds):
        for game in args.games.split(","):
            for side in SIDES[game]:
                path = args.folder / f"{game}-{seed}-{side}-{args.steps or 'whole'}.json"
                if not path.exists() and time.monotonic() < until_s:
                    part = compute(args.python, game, side, seed, args.steps)
                    write_atomically(path, json.dumps(part) + "\n")
                    print(game, side, seed, round(part["steps"] / part["cpu_s"]), flush=True)
                if path.exists():
                    parts.setdefault((game, side), []).append(json.loads(path.read_text(encoding="utf-8")))
    found = summarised(parts, reduced=args.steps is not None)
    values = {"seeds": args.seeds, "reduced_to_steps": args.steps, "games": found, "passed": passed(found)}
    publish("throughput", values, args.out)
    sys.exit(not passed(found))


if __name__ == "__main__":
    main()
