"""Champion and challenger: how runs are dealt, what decides, how the share falls, and what a restart keeps."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from agent.control.score import EpisodeResult
from agent.store.challenge import CHALLENGER, HOPELESS_FROM, MAX_BLOCKS, Challenge, Record


def _challenge(seed: int = 0) -> Challenge:
    return Challenge(Record(), share=1 / 3, seed=seed)


def _run(score_s: float) -> EpisodeResult:
    return EpisodeResult(score_s, score_s, False, 0, 1, score_s / 60, 1)


def _environment(returned: float | None) -> EpisodeResult:
    return EpisodeResult(5.0, 5.0, False, None, None, returned, 1)


def _play(c: Challenge, rng: np.random.Generator, means: tuple[float, float], runs: int) -> tuple[str, list[int]]:
    """Play runs in eight games whose runs end in another order than they began; the verdict, and who played."""
    roles = {game: c.deal(game) for game in range(8)}
    played = list(roles.values())
    for _ in range(runs):
        game = int(rng.integers(8))
        c.ended(
            game,
            _run(float(np.clip(rng.normal(means[roles[game]], min(150.0, 0.3 * means[roles[game]])), 0.0, 1200.0))),
        )
        if c.verdict():
            return c.verdict(), played
        roles[game] = c.deal(game)
        played.append(roles[game])
    return "", played


def test_a_third_of_the_runs_are_the_challengers_and_none_without_one() -> None:
    c = _challenge()
    assert _play(c, np.random.default_rng(0), (500.0, 500.0), 50)[1].count(CHALLENGER) == 0
    c.begin(7, "learner")
    played = [c.deal(100 + k) for k in range(300)]
    assert played.count(CHALLENGER) == 100
    assert len({tuple(played[k : k + 3]) for k in range(0, 300, 3)}) == 3  # its place is drawn


@pytest.mark.parametrize("means", [(1000.0, 100.0), (140.0, 10.0)])
def test_harmful_ones_go_after_few_runs_and_the_share_halves_down_to_a_twentieth(means: tuple[float, float]) -> None:
    rng, c, one_in = np.random.default_rng(1), _challenge(), []
    for version in range(1, 6):
        c.begin(version, "learner")
        verdict, played = _play(c, rng, means, 600)
        assert verdict == "worse"
        assert played.count(CHALLENGER) <= 12
        said = c.close("discarded", halves=True)
        assert 0 < said["runs"]["challenger"] <= 5 and said["difference"]["mean"] < 0 and said["share"] > 0
        assert said["blocks"]["challenger_worst"] == said["blocks"]["count"] == said["runs"]["challenger"]
        one_in.append(c.runs_a_block)
    assert one_in == [6, 12, 20, 20, 20]
    c.begin(9, "a file", by_hand=True)
    assert c.runs_a_block == 3  # a person's is not slowed down
    c.close("promoted")
    assert (c.runs_a_block, c.record.promoted, c.record.discarded) == (3, 1, 5)


def test_a_better_one_is_promoted_and_one_without_a_difference_is_given_up() -> None:
    c = _challenge()
    c.begin(1, "learner")
    assert _play(c, np.random.default_rng(2), (500.0, 700.0), 600)[0] == "promote"
    c.begin(2, "learner")
    verdict, _ = _play(c, np.random.default_rng(3), (500.0, 500.0), 4 * MAX_BLOCKS)
    assert verdict == "unshown" and HOPELESS_FROM <= len(c.record.values) < MAX_BLOCKS


def test_false_promotions_are_rare_though_every_run_is_looked_at() -> None:
    rng, promoted, trials = np.random.default_rng(4), 0, 120
    for seed in range(trials):
        c = _challenge(seed)
        c.begin(1, "learner")
        promoted += _play(c, rng, (500.0, 500.0), 120)[0] == "promote"
    assert promoted <= 0.05 * trials


def test_returns_without_bounds_decide_by_which_runs_are_better() -> None:
    for better, verdict in ((1e9, "promote"), (-1e9, "worse"), (0.0, "unshown")):
        c, rng = _challenge(), np.random.default_rng(5)
        c.begin(1, "learner")
        while not c.verdict():
            role = c.deal(0)
            c.ended(0, _environment(-1e12 * rng.random() if not better else -5e9 + better * (role == CHALLENGER)))
        assert c.verdict() == verdict
        found = c.figures()
        assert found["measure"] == "episode_return" and found["difference"] is None
        assert -1.0 <= found["won_minus_lost"]["low"] <= found["won_minus_lost"]["high"] <= 1.0


def test_a_restart_goes_on_with_what_was_counted_and_shows_it() -> None:
    c = _challenge()
    c.begin(3, "learner")
    _play(c, np.random.default_rng(4), (500.0, 520.0), 60)
    again = Challenge(msgspec.json.decode(msgspec.json.encode(c.record), type=Record), share=1 / 3)

    assert again.figures() == c.figures() and len(again.record.lost) == len(again.record.shares)
    shown = again.figures()
    assert shown["runs"]["champion"] == 2 * shown["runs"]["challenger"] > 0
    assert shown["difference"]["low"] < shown["difference"]["mean"] < shown["difference"]["high"]
    assert 0 < again.runs_needed() <= 3 * MAX_BLOCKS


def test_a_run_that_does_not_end_breaks_its_block_and_holds_up_no_other() -> None:
    c = _challenge()
    c.begin(4, "learner")
    for game in range(9):
        c.deal(game)
    for game in (1, 2, 3, 4, 5):
        c.ended(game, _run(500.0))
    assert len(c.record.values) == 0  # the first block is open, and the second waits for it
    c.deal(0)
    assert len(c.record.values) == 1
    c.ended(6, _environment(None))  # broke off at something that is no number
    for game in (7, 8):
        c.ended(game, _run(500.0))
    assert len(c.record.values) == 1
