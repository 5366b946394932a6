"""What the parts say together: interquartile means, intervals, steps a second, and what was not run."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agent.core.statistics import summary
from tools.bench.learning.third_party.games import GAMES

SIDES: Final = ("ours", "sb3")
Parts = dict[tuple[str, str, int], dict[str, Any]]
"""By game, side and seed; of side `random` there is one, seed 0."""


def summarise(parts: Parts, seeds: int, *, reduced: bool = False) -> dict[str, Any]:
    """The table of all games; `passed` where each was run with all seeds and ours is not below within the intervals."""
    games = {name: _game(name, parts, seeds, reduced) for name in GAMES}
    run = {name: table for name, table in games.items() if table["complete"]}
    not_run = [
        f"{name}: {side} seed {seed}"
        for name in GAMES for side in SIDES for seed in range(seeds) if (name, side, seed) not in parts
    ]  # fmt: skip
    return {
        "score": "mean return of 30 held-out episodes by the likeliest actions; interquartile mean over seeds",
        "games": games, "not_run": not_run,
        "not_below": sorted(name for name, table in run.items() if table["not_below"]),
        "at_least_1_2_times": sorted(name for name, table in run.items() if table["gain_ratio"] >= 1.2),
        "passed": not not_run and all(table["not_below"] for table in run.values()),
    }  # fmt: skip


def _game(name: str, parts: Parts, seeds: int, reduced: bool) -> dict[str, Any]:
    """One game; what was not run of it is left out."""
    table: dict[str, Any] = {
        "spec": GAMES[name].spec,
        "steps": GAMES[name].reduced if reduced else GAMES[name].steps,
        "complete": False,
    }
    floor = parts.get((name, "random", 0))
    if floor is not None:
        table["random"] = round(floor["mean"], 3)
    for side in SIDES:
        of = [parts[name, side, seed] for seed in range(seeds) if (name, side, seed) in parts]
        if of:
            table[side] = {
                "seeds": len(of), "statistics": summary([float(np.mean(part["returns"])) for part in of]),
                "by_seed": [round(float(np.mean(part["returns"])), 3) for part in of],
                "training_by_seed": [round(float(np.mean(part["training"])), 3) for part in of],
                "steps_per_cpu_s": round(sum(p["steps"] for p in of) / sum(p["cpu_s"] for p in of), 1),
                "steps_per_wall_s": round(sum(p["steps"] for p in of) / sum(p["wall_s"] for p in of), 1),
            }  # fmt: skip
    table["complete"] = floor is not None and all(table.get(side, {}).get("seeds") == seeds for side in SIDES)
    if all(side in table for side in SIDES) and floor is not None:
        ours, theirs = (table[side]["statistics"] for side in SIDES)
        table["not_below"] = ours["iqm"] >= theirs["iqm"] or ours["iqm_high"] >= theirs["iqm_low"]
        gained = theirs["iqm"] - table["random"]
        table["gain_ratio"] = round((ours["iqm"] - table["random"]) / gained, 3) if gained > 0 else 0.0
    return table
