"""Is who scores more also paid more? Players of the arena, ranked by score and by the return of each reward table.

    python -m tools.bench.ranking [--episodes 20] [--seed 1000] [--earlier FILE] [--out FILE]

`--earlier` adds an earlier pilot by its weights. Each plays the same seeds in a row in lock-step, as `evaluate` does.
By the table `score`, the default, the order of the mean returns must be that of the mean scores. The orders by other
tables are told beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from agent.control.policies import build_policy
from agent.control.reward import SCORE, TABLES
from agent.control.score import EpisodeResult, EpisodeTracker
from agent.core.statistics import bootstrap
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.training.dream import TrainingGame
from tools.bench._result_file import publish

PLAYERS: Final = ("random", "untrained-pilot", "kiter", "router", "pilot")
EARLIER: Final = "earlier pilot"


def play(player: str, seed: int, weights: Path | None = None) -> dict[str, EpisodeResult]:
    """One run, by each table."""
    policy = build_policy(player, seed=0, weights=weights)
    policy.warm_up()
    seat = TrainingGame(0, ArenaGame(), seed, pictures=False)
    trackers = {name: EpisodeTracker(table) for name, table in TABLES.items()}
    carry = policy.initial(1)
    while True:
        observation, _ = seat.observe()
        results = {name: tracker.add(observation) for name, tracker in trackers.items()}
        ended = {name: result for name, result in results.items() if result is not None}
        if ended:
            return ended
        carry, (action,) = policy.step(carry, [observation])
        seat.act(observation, action)


def _mean(values: list[float]) -> dict[str, float]:
    return {key: round(value, 2) for key, value in bootstrap(values)._asdict().items()}


def _order(of_players: dict[str, dict[str, float]]) -> list[str]:
    """Players by their means, the worst first."""
    return sorted(of_players, key=lambda player: of_players[player]["value"])


def ranked(seed: int, episodes: int, earlier: Path | None) -> dict[str, Any]:
    """Every player on every seed; the orders, and whether the default table's is the score's."""
    played = {player: [play(player, seed + k) for k in range(episodes)] for player in PLAYERS}
    if earlier is not None:
        played[EARLIER] = [play("pilot", seed + k, earlier) for k in range(episodes)]
    scores = {player: _mean([r[SCORE.name].score_s for r in runs]) for player, runs in played.items()}
    returns = {
        table: {player: _mean([r[table].episode_return or 0.0 for r in runs]) for player, runs in played.items()}
        for table in TABLES
    }
    return {
        "rules": rules_hash(), "seed": seed, "episodes": episodes, "scores_s": scores, "returns": returns,
        "orders": {"score_s": _order(scores), **{table: _order(values) for table, values in returns.items()}},
        "passed": _order(returns[SCORE.name]) == _order(scores),
    }  # fmt: skip


def main() -> None:
    """Play and rank; ends with 1 where the default table ranks otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--earlier", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    values = ranked(args.seed, args.episodes, args.earlier)
    publish("ranking", values, args.out)
    sys.exit(0 if values["passed"] else 1)


if __name__ == "__main__":
    main()
