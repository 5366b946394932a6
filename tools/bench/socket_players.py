"""Players through the socket: whole first runs of games of their own processes in lock-step, pair by pair.

    python -m tools.bench.socket_players [--episodes 30] [--seed 1000] [--games 6] [--policies motor pilot router]
        [--parts DIR] [--out FILE]

Each game is hosted by a process of its own and waits for each action; one agent plays `--games` of them at once, as
`play` does, without a planner. The motor's mean over the pilot's on the same seeds, with a 95 % bootstrap interval over
pairs, must lie above .95; motor and pilot must beat the router, intervals of the means disjoint. A win counts as the
cap. Groups of seeds are kept as parts, so that what was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.control.policies import SHIPPED, SHIPPED_MOTOR
from agent.control.score import CAP_S
from agent.core.files import write_atomically
from agent.core.statistics import summary
from agent.games.arena.rules_hash import rules_hash
from tools.bench._result_file import publish
from tools.bench.live import live, ratio
from tools.bench.tiers import SCRIPTS, fingerprint

PARTS: Final = Path("docs/results/parts/socket_players")
MADE_OF: Final = {"motor": [SHIPPED_MOTOR], "pilot": [SHIPPED], "router": list(SCRIPTS)}
LEAST_SHARE: Final = 0.95


def group(folder: Path, policy: str, seeds: list[int]) -> dict[str, Any]:
    """First runs of these seeds: those that were kept and are of these rules and weights, else new ones."""
    made_of = {"rules": rules_hash(), "player": fingerprint(MADE_OF[policy])}
    path = folder / f"{policy}-{seeds[0]}-{seeds[-1]}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_of"] == made_of:
            return kept
    found = live(seeds, None, policy=policy, mode="lock-step")
    part = {"made_of": made_of, "scores_s": {str(s): v for s, v in found["scores_s"].items()}}
    part["won"] = {str(s): v for s, v in found["won"].items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(part) + "\n")
    return part


def compared(players: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What must hold of motor, pilot and router, whose scores are of the same seeds in the same order."""
    scores = {name: np.array(player["scores_s"]) for name, player in players.items()}
    found: dict[str, Any] = {}
    if {"motor", "pilot"} <= set(players):
        share = ratio(np.stack([scores["motor"], scores["pilot"]], 1))
        found["motor_over_pilot"] = dict(zip(("value", "low", "high"), share, strict=True))
        found["checks"] = {"motor at least .95 of the pilot": share[1] >= LEAST_SHARE}
    for name in ("motor", "pilot"):
        if {name, "router"} <= set(players):
            above = players[name]["score_s"]["mean_low"] > players["router"]["score_s"]["mean_high"]
            found.setdefault("checks", {})[f"{name} above the router, intervals disjoint"] = above
    return found


def main() -> None:
    """Play what is missing, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--games", type=int, default=6, help="at once")
    parser.add_argument("--policies", nargs="+", choices=tuple(MADE_OF), default=list(MADE_OF))
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    seeds = list(range(args.seed, args.seed + args.episodes))
    groups = [seeds[k : k + args.games] for k in range(0, len(seeds), args.games)]
    players: dict[str, dict[str, Any]] = {}
    for policy in args.policies:
        parts = [group(args.parts, policy, each) for each in groups]
        scores = [part["scores_s"][str(s)] for part, each in zip(parts, groups, strict=True) for s in each]
        wins = sum(sum(part["won"].values()) for part in parts)
        players[policy] = {
            "count": len(scores), "wins": wins, "score_s": summary(scores),
            "scores_s": [round(s, 1) for s in scores],
        }  # fmt: skip
        print(policy, json.dumps(players[policy]["score_s"]), wins, file=sys.stderr, flush=True)
    found = compared(players)
    values = {"rules": rules_hash(), "seed": args.seed, "cap_s": CAP_S, "games_at_once": args.games}
    checks = found.get("checks", {})
    publish("socket_players", {**values, "players": players, **found, "passed": all(checks.values())}, args.out)
    sys.exit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    main()
