"""Two players on the same seeds: the difference, its interval, and the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.control.policies import build_policy
from agent.control.score import EpisodeResult
from agent.core.clock import SystemClock
from agent.games.arena.game import ArenaGame
from agent.training.compare import Pair, compare, difference, in_words


def _run(score_s: float) -> EpisodeResult:
    return EpisodeResult(score_s, score_s, score_s >= 1200.0, 10, 5, score_s / 60.0, 100)


def _pairs(gain_s: float, count: int, *, noise_s: float = 30.0) -> list[tuple[EpisodeResult, EpisodeResult]]:
    """Runs whose seeds differ much more than the two players do."""
    rng = np.random.default_rng(7)
    seeds = rng.uniform(200.0, 1000.0, count)
    return [(_run(s + gain_s + rng.normal(0.0, noise_s)), _run(s)) for s in seeds]


@pytest.mark.parametrize(
    ("gain_s", "verdict"), [(40.0, "first is better"), (-40.0, "second is better"), (0.0, "undecided")]
)
def test_pairs_of_the_same_seed_show_a_difference_that_seeds_would_hide(gain_s: float, verdict: str) -> None:
    found = difference(_pairs(gain_s, 60))

    assert found["verdict"] == verdict
    assert found["measure"] == "score_s"
    assert found["correlation"] > 0.9
    assert found["difference"]["low"] <= gain_s <= found["difference"]["high"]
    assert found["at_any_time"]["low"] < found["difference"]["low"]
    pairs = _pairs(gain_s, 60)
    shuffled = [(one, other) for (one, _), (_, other) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
    assert difference(shuffled)["verdict"] == "undecided"  # unpaired, the same runs show nothing


def test_few_pairs_give_no_verdict_and_none_gives_no_difference() -> None:
    few = difference(_pairs(200.0, 5))

    assert (few["verdict"], few["pairs"]) == ("undecided", 5)
    assert "no verdict" in in_words({**few, "players": ["a", "b"]})
    assert difference([]) == {
        "measure": "episode_return",
        "pairs": 0,
        "statistics": [{"count": 0}, {"count": 0}],
        "verdict": "undecided",
    }


def test_an_environment_is_compared_by_its_return_and_broken_episodes_are_left_out() -> None:
    one, other = (EpisodeResult(1.0, 1.0, False, None, None, value, 10) for value in (3.0, 1.0))
    broken = EpisodeResult(1.0, 1.0, False, None, None, None, 10, error="nan")
    found = difference([(one, other)] * 30 + [(one, broken)])

    assert (found["measure"], found["pairs"], found["verdict"]) == ("episode_return", 30, "first is better")
    assert found["better"] == [30, 0]
    assert "at_any_time" not in found


def test_one_that_is_interrupted_tells_of_the_pairs_that_ended() -> None:
    def stop(index: int, pair: Pair) -> None:
        raise KeyboardInterrupt

    told: list[dict[str, Any]] = []
    players = build_policy("random", seed=0), build_policy("random", seed=0)
    with pytest.raises(KeyboardInterrupt):
        compare(
            ArenaGame(), players, SystemClock(), names=("a", "b"), episodes=3, seed=1000,
            on_pair=stop, on_broken=told.append,
        )  # fmt: skip
    assert [(report["broken_off"], len(report["results"]), report["reward"]) for report in told] == [
        ("interrupted", 1, "score")
    ]
