"""Scores of policies in the arena: whole runs in lock-step, means and 95 % bootstrap intervals, and their ratio.

    python -m tools.bench.players [--policies kiter,random] [--episodes 30] [--seed 1000] [--keep FILE]
        [--reports FILE ...] [--out FILE]

The first policy is compared with each of the others: the intervals of the mean score must not touch.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from agent.control.policies import build_policy
from agent.control.score import CAP_S, EpisodeResult, summarise
from agent.core.clock import SystemClock
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.training.evaluate import evaluate
from tools.bench._result_file import publish


def kept(path: Path, seed: int, episodes: int) -> dict[str, Any]:
    """Policies of an earlier result, which must be of the same rules and seeds: lock-step play repeats to the bit."""
    earlier = json.loads(path.read_text(encoding="utf-8"))
    if earlier["rules"] != rules_hash() or earlier["seed"] != seed:
        raise SystemExit(f"{path}: is of rules {earlier['rules']} and seed {earlier['seed']}")
    policies: dict[str, Any] = earlier["policies"]
    return {name: values for name, values in policies.items() if len(values["scores_s"]) == episodes}


def reported(paths: list[Path], seed: int) -> dict[str, Any]:
    """Policies whose episodes were played by `python -m agent evaluate`, a part of the seeds in each report."""
    parts = sorted((json.loads(path.read_text(encoding="utf-8")) for path in paths), key=lambda r: r["seed"])
    rows: dict[str, list[EpisodeResult]] = {}
    for report in parts:
        results = rows.setdefault(report["policy"], [])
        if report["rules"] != rules_hash() or report["seed"] != seed + len(results):
            raise SystemExit(f"a report of {report['policy']} begins at {report['seed']}, not {seed + len(results)}")
        results += [msgspec.convert(r, EpisodeResult) for r in report["results"]]
    return {
        name: {**summarise(results), "scores_s": [round(r.score_s, 1) for r in results]}
        for name, results in rows.items()
    }


def main() -> None:
    """Play and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", default="kiter,random")
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument(
        "--keep", type=Path, help="an earlier result of these rules and seeds: its other policies count"
    )
    parser.add_argument("--reports", type=Path, nargs="*", default=[], help="of `agent evaluate`, of seeds in a row")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = reported(args.reports, args.seed)
    names = [*found, *(name for name in args.policies.split(",") if name and name not in found)]
    for name in names:
        if name in found:
            continue
        policy = build_policy(name, seed=args.seed)
        report = evaluate(ArenaGame(), policy, SystemClock(), episodes=args.episodes, seed=args.seed)
        scores = [round(r["score_s"], 1) for r in report["results"]]
        found[name] = {**report["statistics"], "scores_s": scores, "action_hash": report["action_hash"]}
    if args.keep is not None:
        found |= {
            name: values for name, values in kept(args.keep, args.seed, args.episodes).items() if name not in found
        }
        names = list(found)
    best = found[names[0]]["score_s"]
    compared = {}
    for name in names[1:]:
        other = found[name]["score_s"]
        compared[name] = {
            "ratio_of_means": round(best["mean"] / other["mean"], 2),
            "intervals_disjoint": best["mean_low"] > other["mean_high"],
        }
    capped = sum(s >= CAP_S for s in found[names[0]]["scores_s"])
    values = {"rules": rules_hash(), "seed": args.seed, "cap_s": CAP_S, "episodes_at_cap": capped}
    publish("players", {**values, "policies": found, f"{names[0]}_against": compared}, args.out)


if __name__ == "__main__":
    main()
