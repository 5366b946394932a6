"""Four goal skills of the shipped pilot merged by every method: each task's metric, as a share of its own skill's gain.

    python -m tools.bench.skills.merges [--skills a,b,c,d] [--episodes 40] [--out docs/results/skill_merges.json]

0 is the pilot, 1 the task's own skill. Reduced: one training of each skill instead of five, and no policy that was
trained on all tasks at once. RAM is refused where it does not apply, which the row says. Measurements are kept under
docs/results/parts/skills, so that a run that was broken off goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agent.core.errors import WeightsError
from agent.core.statistics import bootstrap
from agent.games.arena.rules_hash import rules_hash
from agent.learning.merging.recipe import Recipe, merge
from agent.models.sealed import Tensors
from tools.bench._result_file import publish
from tools.bench.skills._measured import Kept
from tools.bench.skills.swaps import shipped

SEED = 62_000_000
RECIPES = {
    "average": Recipe(method="average"), "RETAIN .5": Recipe(method="retain", scale=0.5),
    "task arithmetic .3": Recipe(method="task-arithmetic", scale=0.3),
    "task arithmetic .6": Recipe(method="task-arithmetic", scale=0.6),
    "task arithmetic 1": Recipe(method="task-arithmetic", scale=1.0),
    "TIES 1": Recipe(method="ties"), "TIES 1.8": Recipe(method="ties", scale=1.8),
    "TIES 2, density .7": Recipe(method="ties", scale=2.0, density=0.7),
    "DARE .6": Recipe(method="dare", density=0.5, scale=0.6), "Iso-C 1": Recipe(method="iso-c"),
    "Iso-C 2": Recipe(method="iso-c", scale=2.0), "RAM": Recipe(method="ram", threshold=0.05),
}  # fmt: skip


def rows_of(
    kept: Kept, base: Tensors, skills: dict[str, Tensors], seed: int, episodes: int, recipes: dict[str, Recipe]
) -> dict[str, Any]:
    """A row for the base, each skill, and each method: shares of the skills' gains by task, their mean, the worst."""
    names = list(skills)
    zero = kept.scores(base, seed, episodes)
    own = {name: kept.value(skills[name], name, seed, episodes) for name in names}
    units = {name: float(own[name].mean() - zero[name].mean()) for name in names}
    found: dict[str, Any] = {}

    def add(who: str, tensors: Tensors, more: dict[str, Any]) -> None:
        scores = kept.scores(tensors, seed, episodes)
        shares = {name: (scores[name] - zero[name]) / units[name] for name in names}
        mean = bootstrap(np.mean([shares[name] for name in names], axis=0))
        found[who] = {
            "shares": {name: round(float(share.mean()), 3) for name, share in shares.items()},
            "mean": [round(x, 3) for x in mean],
            "worst": round(min(float(s.mean()) for s in shares.values()), 3), **more,
        }  # fmt: skip
        print(who, found[who], file=sys.stderr, flush=True)

    for name in names:
        add(f"skill {name}", skills[name], {})
    for label, recipe in recipes.items():
        try:
            merged = merge(base, [skills[name] for name in names], recipe, names)
        except WeightsError as error:
            found[label] = {"refused": str(error), "recipe": msgspec.to_builtins(recipe)}
            continue
        add(label, merged.tensors, {"recipe": msgspec.to_builtins(recipe)})
    return found


def summarised(found: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The best merge beside the best single skill, and the aims."""
    merges = {k: row for k, row in found.items() if not k.startswith("skill ") and "mean" in row}
    best = max(merges, key=lambda k: merges[k]["mean"][0])
    single = max((f"skill {name}" for name in names), key=lambda k: found[k]["mean"][0])
    reached = {
        "best merge >= .95 of the mean specialist": merges[best]["mean"][0] >= 0.95,
        "its worst task >= .85": merges[best]["worst"] >= 0.85,
    }
    return {"best_merge": best, "best_single": single, "aims": reached, "passed": all(reached.values())}


def main() -> None:
    """Merge, play, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skills", default="gold,elites,shrines,unhurt")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path, help="a folder of skills beside the shipped ones")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    base, skills, tasks = shipped(args.folder)
    names = args.skills.split(",")
    unknown = [name for name in names if name not in skills]
    if unknown:
        parser.error(f"--skills {unknown[0]}: there are {', '.join(skills)}")
    found = rows_of(
        Kept({n: tasks[n] for n in names}), base, {n: skills[n] for n in names}, args.seed, args.episodes, RECIPES
    )
    values = {
        "rules": rules_hash(), "seed": args.seed, "episodes": args.episodes, "skills": names, "rows": found,
        **summarised(found, names),
    }  # fmt: skip
    publish("skill_merges", values, args.out)
    sys.exit(not values["passed"])


if __name__ == "__main__":
    main()
