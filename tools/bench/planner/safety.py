"""What safety costs the shipped pilot in the arena: the same seeds with and without it, in lock-step.

`python -m tools.bench.planner.safety [--seeds 60] [--out FILE]` adds what is missing to the file and prints the paired
difference with its 95 % bootstrap interval. An episode without an override is the same to the bit without safety, so it
is played once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from agent.control.arbiter import Arbiter
from agent.control.policies import build_policy
from agent.control.policy import Policy
from agent.control.safety.rules import Safety
from agent.control.score import EpisodeTracker
from agent.games.contract import HostedGame
from agent.games.hosting import build_game
from agent.games.options import GameOptions
from agent.session.planning.building import ARENA_HALF_M
from agent.training.evaluate import MAX_TICKS, observe

FIRST_SEED = 190_000
"""Far from the seeds that anything here was trained or tuned on."""


def episode(game: HostedGame, policy: Policy, seed: int, safety: Safety | None) -> float:
    """The score of one episode, s survived."""
    tracker, arbiter, carry = EpisodeTracker(), Arbiter(), policy.initial(1)
    game.reset(seed, start="run")
    for tick in range(MAX_TICKS):
        observation = observe(game, 0, game.state(), None, tick)
        result = tracker.add(observation)
        if result is not None:
            return float(result.score_s)
        carry, actions = policy.step(carry, [observation])
        guard = (lambda action, seen=observation: safety.guard(seen, action)) if safety is not None else None
        game.tick(arbiter.choose(actions[0], guard=guard).action)
    raise RuntimeError(f"seed {seed} did not end")


def pair(game: HostedGame, policy: Policy, seed: int) -> dict[str, Any]:
    """Both scores of one seed."""
    safety = Safety(1, half_m=ARENA_HALF_M)
    safe_s = episode(game, policy, seed, safety)
    free_s = episode(game, policy, seed, None) if any(safety.overrides.values()) else safe_s
    return {"seed": seed, "with_s": safe_s, "without_s": free_s, "overrides": safety.overrides}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The paired difference with its interval, and how often each rule acted."""
    differences = np.array([row["with_s"] - row["without_s"] for row in rows])
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    total = {rule: sum(row["overrides"][rule] for row in rows) for rule in rows[0]["overrides"]}
    return {
        "seeds": len(rows), "without_mean_s": round(float(np.mean([r["without_s"] for r in rows])), 2),
        "with_minus_without_s": round(float(differences.mean()), 2),
        "interval_s": [round(float(low), 2), round(float(high), 2)],
        "changed_seeds": int(np.count_nonzero(differences)), "overrides": total,
    }  # fmt: skip


def main() -> None:
    """Play the seeds that are missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("docs/results/parts/safety.jsonl"))
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.out.read_text("utf-8").splitlines()] if options.out.exists() else []
    missing = set(range(FIRST_SEED, FIRST_SEED + options.seeds)) - {row["seed"] for row in rows}
    if missing:
        game = build_game(GameOptions(game="arena").from_run(0))
        policy = build_policy("pilot", seed=0)
        for seed in sorted(missing):
            rows.append(pair(game, policy, seed))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
        game.close()
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
