"""Players in every tier of the arena with every character: wins, scores, and the paired difference to the first player.

    python -m tools.bench.tiers --players router,kiter,pilot [--each 8] [--seed 3000] [--tiers 1 2 3]
        [--parts docs/results/parts/tiers] [--out FILE]

A player is the name of a policy or a file of a pilot's weights, which the figures call by its stem. Each plays `--each`
seeds in a row with each character in each tier, in lock-step, as `evaluate --tier --character` does; pilots in compiled
code with the same runs to the bit. One tier and character of one player is a part; parts that are kept and of these
seeds, rules, weights and scripts are not played again, so a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.control import kiter, scripted
from agent.control.motor import checked_reflex, pilot_tensors
from agent.control.policies import SHIPPED, build_policy
from agent.control.policy import Policy
from agent.core.files import write_atomically
from agent.core.statistics import paired_difference, summary
from agent.games.arena import state as layout
from agent.games.arena.catalog import load_catalog
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.training.arena.batch import Cast
from agent.training.arena.lockstep import LockstepPlayer
from agent.training.evaluate import EvaluationRun
from tools.bench._result_file import publish

PARTS: Final = Path("docs/results/parts/tiers")
TIERS: Final = (1, 2, 3)
CHARACTERS: Final = tuple(c["name"] for c in load_catalog().characters)
SCRIPTS: Final = (Path(kiter.__file__), *sorted(Path(scripted.__file__).parent.glob("*.py")))
"""What scripted players are made of."""


class Timed:
    """A policy whose steps are timed, s of processor time."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.name, self.steps_s = policy, policy.name, list[float]()

    def warm_up(self) -> None:
        """As the policy's own."""
        self.policy.warm_up()

    def initial(self, games: int) -> Any:
        """As the policy's own."""
        return self.policy.initial(games)

    def step(self, carry: Any, observations: Any) -> Any:
        """The policy's own step, timed."""
        start_s = time.process_time()
        found = self.policy.step(carry, observations)
        self.steps_s.append(time.process_time() - start_s)
        return found


def weights_of(player: str) -> Path | None:
    """The file of a pilot's weights that a player is; None of a scripted one."""
    return SHIPPED if player == "pilot" else Path(player) if player.endswith(".safetensors") else None


def play(player: str, tier: int, character: int, seeds: range) -> dict[str, Any]:
    """Score and win of each seed; for a scripted player, processor time of a step."""
    weights = weights_of(player)
    if weights is not None:
        cast = Cast(tier - 1, character)
        lockstep = LockstepPlayer(checked_reflex(pilot_tensors(weights), player), cast)
        rows = [(lockstep.score_s(seed), int(lockstep.world["phase"]) == layout.WON) for seed in seeds]
        return {"scores_s": [score for score, _ in rows], "won": [won for _, won in rows]}
    policy = Timed(build_policy(player, seed=0))
    policy.warm_up()
    game = ArenaGame(tier=tier, character=CHARACTERS[character])
    run = EvaluationRun(game, policy, frames=False)
    results = [run.episode(seed) for seed in seeds]
    step_us = np.array(policy.steps_s) * 1e6
    return {
        "scores_s": [r.score_s for r in results], "won": [r.won for r in results],
        "step_us": {"p50": round(float(np.median(step_us)), 1), "p99": round(float(np.quantile(step_us, 0.99)), 1)},
    }  # fmt: skip


def fingerprint(paths: Iterable[Path]) -> str:
    """The files' bytes as a short hash."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def part(folder: Path, player: str, tier: int, character: int, seeds: range) -> dict[str, Any]:
    """A kept part, or a new one that is kept from now on."""
    weights = weights_of(player)
    made_of = {
        "rules": rules_hash(), "seed": seeds.start, "count": len(seeds),
        "player": fingerprint(SCRIPTS if weights is None else [weights]),
    }  # fmt: skip
    label = weights.stem + "-" + made_of["player"] if weights is not None else player
    path = folder / f"{label}-{tier}-{CHARACTERS[character].replace(' ', '')}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if kept["made_of"] == made_of:
            return kept
    found = {"made_of": made_of, **play(player, tier, character, seeds)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found) + "\n")
    return found


def of_character(part: dict[str, Any]) -> dict[str, float]:
    """Runs, wins, the share of wins with its 95 % interval (Wilson 1927), and the mean score of one character."""
    won = part["won"]
    low, high = wilson(sum(won), len(won))
    return {
        "runs": len(won), "wins": sum(won), "share": round(sum(won) / len(won), 4), "low": round(low, 4),
        "high": round(high, 4), "score_s": round(float(np.mean(part["scores_s"])), 1),
    }  # fmt: skip


def wilson(wins: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a share. A bootstrap says nothing where all runs are won."""
    z, share = 1.959964, wins / runs
    middle, width = share + z * z / (2 * runs), z * math.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    return max(0.0, (middle - width) / (1 + z * z / runs)), min(1.0, (middle + width) / (1 + z * z / runs))


def figures(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One player in one tier: wins, scores, wins by character."""
    won, scores = np.concatenate([p["won"] for p in parts]), np.concatenate([p["scores_s"] for p in parts])
    timed = "step_us" in parts[0]
    step_us = {q: max(p["step_us"][q] for p in parts) for q in ("p50", "p99")} if timed else {}
    return {
        "runs": len(won), "wins": int(won.sum()), "win_share": summary(won.astype(float).tolist()),
        "score_s": summary(scores.tolist()),
        "win_share_by_character": {
            name: round(float(np.mean(p["won"])), 3) for name, p in zip(CHARACTERS, parts, strict=True)
        },
        "by_character": {name: of_character(p) for name, p in zip(CHARACTERS, parts, strict=True)},
        **({"step_us": step_us} if timed else {}),
    }  # fmt: skip


def main() -> None:
    """Play what is not kept, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--players", default="router,kiter,pilot")
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--seed", type=int, default=3000)
    parser.add_argument("--tiers", type=int, nargs="*", default=TIERS)
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.each)
    players: dict[str, str] = {}
    for player in args.players.split(","):
        if players.setdefault(Path(player).stem, player) != player:
            parser.error(f"--players {args.players}: two players are called {Path(player).stem}; rename one's file")
    found: dict[str, Any] = {}
    for tier in args.tiers:
        rows = {
            name: [part(args.parts, player, tier, c, seeds) for c in range(len(CHARACTERS))]
            for name, player in players.items()
        }
        first, against = next(iter(rows)), {}
        for other in list(rows)[1:]:
            for key in ("won", "scores_s"):
                one, two = (np.concatenate([p[key] for p in rows[name]]).astype(float) for name in (first, other))
                against[f"{key} minus {other}"] = {
                    k: round(v, 4) for k, v in paired_difference(one.tolist(), two.tolist())._asdict().items()
                }
        found[f"tier {tier}"] = {**{name: figures(rows[name]) for name in players}, "first": against}
    publish("tiers", {"rules": rules_hash(), "seed": args.seed, "each": args.each, **found}, args.out)


if __name__ == "__main__":
    main()
