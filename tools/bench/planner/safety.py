"""What safety costs the shipped pilot in the arena: the same seeds with and without it, in lock-step.

    python -m tools.bench.planner.safety [--seeds 60] [--tier 1] [--parts FILE] [--out FILE]

Plays what is missing among the parts and publishes the paired difference with its 95 % bootstrap interval. An episode
without an override is the same to the bit without safety, so it is played once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.control.arbiter import Arbiter
from agent.control.policies import SHIPPED, build_policy
from agent.control.policy import Policy
from agent.control.safety import rules
from agent.control.safety.rules import Safety
from agent.control.score import EpisodeTracker
from agent.core.statistics import paired_difference, summary
from agent.games.arena.rules_hash import rules_hash
from agent.games.contract import HostedGame
from agent.games.hosting import build_game
from agent.games.options import GameOptions
from agent.session.planning.building import ARENA_HALF_M
from agent.training.evaluate import MAX_TICKS, observe
from tools.bench._result_file import publish
from tools.bench.tiers import fingerprint

PARTS: Final = Path("docs/results/parts/planner_safety.jsonl")
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


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The paired difference with its interval, and how often each rule acted."""
    safe, free = [row["with_s"] for row in rows], [row["without_s"] for row in rows]
    difference = paired_difference(safe, free)
    return {
        "seeds": len(rows), "without_s": summary(free), "with_s": summary(safe),
        "with_minus_without_s": {key: round(value, 2) for key, value in difference._asdict().items()},
        "changed_seeds": int(np.count_nonzero(np.array(safe) - np.array(free))),
        "overrides": {rule: sum(row["overrides"][rule] for row in rows) for rule in rules.RULES},
    }  # fmt: skip


def kept(path: Path, made_of: str) -> dict[int, dict[str, Any]]:
    """Pairs that were kept and are of these rules and weights, by seed."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return {row["seed"]: row for row in rows if row.get("made_of") == made_of}


def main() -> None:
    """Play the seeds that are missing, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--tier", type=int, default=1)
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    made_of = f"tier {options.tier} {rules_hash()} {fingerprint([SHIPPED, Path(rules.__file__)])}"
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    found = kept(options.parts, made_of)
    missing = [seed for seed in seeds if seed not in found]
    if missing:
        hosted = GameOptions(game="arena", tier=options.tier).from_run(0)
        game, policy = build_game(hosted), build_policy("pilot", seed=0)
        for seed in missing:
            found[seed] = {"made_of": made_of, **pair(game, policy, seed)}
            options.parts.parent.mkdir(parents=True, exist_ok=True)
            with options.parts.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[seed]) + "\n")
            print(json.dumps(found[seed]), flush=True)
        game.close()
    values = {"tier": options.tier, **figures([found[seed] for seed in seeds])}
    publish("planner safety", values, options.out)


if __name__ == "__main__":
    main()
