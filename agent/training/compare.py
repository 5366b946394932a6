"""Two players on the same seeds of a hosted game, in lock-step, and how much one is better than the other.

Both play every seed, so that what a seed makes easy or hard is taken out of the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from agent.control.policy import Policy
from agent.control.score import CAP_S, EpisodeResult, summarise
from agent.core.clock import Clock
from agent.core.statistics import ConfidenceSequence, paired_difference, scaled
from agent.games.contract import HostedGame
from agent.training.evaluate import FRAME_EVERY, EvaluationRun, cast_of, telling_of_a_break

REPORT_SCHEMA: Final = "metabonk-comparison/1"
MIN_EPISODES: Final = 20
"""With fewer there is no verdict: the interval of so few pairs is too narrow."""
Pair = tuple[EpisodeResult, EpisodeResult]


def compare(
    game: HostedGame,
    policies: tuple[Policy, Policy],
    clock: Clock,
    *,
    names: tuple[str, str],
    episodes: int,
    seed: int,
    frames: bool = False,
    frame_every: tuple[int, int] = (FRAME_EVERY, FRAME_EVERY),
    on_pair: Callable[[int, Pair], None] = lambda index, pair: None,
    on_begun: Callable[[], None] = lambda: None,
    on_broken: Callable[[dict[str, Any]], None] = lambda report: None,
) -> dict[str, Any]:
    """Play seeds `seed`, `seed`+1, … with both, and return the report's values; `names`: what the two are called.

    Where it is interrupted or fails, `on_broken` gets the report of the pairs that ended, with `broken_off`: why.
    """
    for policy in policies:
        policy.warm_up()
    on_begun()
    runs = [
        EvaluationRun(game, policy, frames=frames, frame_every=every)
        for policy, every in zip(policies, frame_every, strict=True)
    ]
    begun_s, pairs = clock.now_s(), list[Pair]()

    def report() -> dict[str, Any]:
        return {
            "schema": REPORT_SCHEMA, "game": game.name, "rules": game.rules, **cast_of(game),
            "players": list(names), "policies": [policy.name for policy in policies],
            "reward": runs[0].reward, "seed": seed, "episodes": episodes,
            **difference(pairs),
            "action_hashes": [run.action_hash.hexdigest() for run in runs],
            "results": [[msgspec.to_builtins(result) for result in pair] for pair in pairs],
            "wall_seconds": round(clock.now_s() - begun_s, 3),
        }  # fmt: skip

    with telling_of_a_break(report, on_broken):
        for index in range(episodes):
            pairs.append((runs[0].episode(seed + index), runs[1].episode(seed + index)))
            on_pair(index, pairs[-1])
    return report()


def difference(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How much the first of each pair is better: the mean difference, its 95 % interval over pairs, and the verdict.

    A run's measure is its score in seconds; an environment's, its return. Pairs without a number are left out.
    """
    whole = [pair for pair in pairs if all(result.episode_return is not None for result in pair)]
    is_run = bool(whole) and all(result.level is not None for pair in whole for result in pair)
    one, two = (np.array([_measured(pair[k], is_run) for pair in whole]) for k in (0, 1))
    found: dict[str, Any] = {
        "measure": "score_s" if is_run else "episode_return", "pairs": len(whole),
        "statistics": [summarise([pair[k] for pair in pairs]) for k in (0, 1)],
    }  # fmt: skip
    if not len(whole):
        return {**found, "verdict": "undecided"}
    estimate = paired_difference(one, two)
    spread = float(one.std() * two.std())
    found |= {
        "difference": dict(zip(("mean", "low", "high"), (round(float(x), 4) for x in estimate), strict=True)),
        "better": [int((one > two).sum()), int((two > one).sum())],
        "correlation": round(float(np.mean((one - one.mean()) * (two - two.mean()))) / spread, 3) if spread else None,
        "verdict": _verdict(estimate.low, estimate.high, len(whole)),
    }
    if is_run:  # bounded, so that there is an interval that holds whenever it is looked at
        at_any_time = ConfidenceSequence(scaled(one, two, CAP_S)).interval()
        found["at_any_time"] = {key: round(x * CAP_S, 1) for key, x in at_any_time._asdict().items()}
    return found


def _measured(result: EpisodeResult, is_run: bool) -> float:
    return result.score_s if is_run else float(result.episode_return or 0.0)


def _verdict(low: float, high: float, pairs: int) -> str:
    if pairs < MIN_EPISODES or low <= 0.0 <= high:
        return "undecided"
    return "first is better" if low > 0.0 else "second is better"


def in_words(report: dict[str, Any]) -> str:
    """What came of it, in one line."""
    first, second = report["players"]
    if "difference" not in report:
        return "no pair of episodes has a number"
    d, unit = report["difference"], " s" if report["measure"] == "score_s" else ""
    said = {
        "first is better": f"{first} is better", "second is better": f"{second} is better",
        "undecided": "neither is shown to be better",
    }[report["verdict"]]  # fmt: skip
    few = f"; fewer than {MIN_EPISODES} pairs give no verdict" if report["pairs"] < MIN_EPISODES else ""
    return (
        f"{first} minus {second}: {d['mean']:+.4g}{unit} (95 % interval {d['low']:+.4g} to {d['high']:+.4g}, "
        f"{report['pairs']} pairs): {said}{few}"
    )
