"""Champion and challenger: how runs are dealt, what decides, how the share falls, and what a restart keeps."""

from __future__ import annotations

import msgspec
import numpy as np

from agent.store.challenge import CHALLENGER, MAX_RUNS, Challenge, Record


def _challenge(seed: int = 0) -> Challenge:
    return Challenge(Record(), share=1 / 3, span=1200.0, seed=seed)


def _play(c: Challenge, rng: np.random.Generator, means: tuple[float, float], runs: int) -> tuple[str, list[int]]:
    """Play runs in eight games whose runs end in another order than they began; the verdict, and who played."""
    roles = {game: c.deal(game) for game in range(8)}
    played = list(roles.values())
    for _ in range(runs):
        game = int(rng.integers(8))
        verdict = c.ended(game, float(np.clip(rng.normal(means[roles[game]], 150.0), 0.0, 1200.0)))
        if verdict:
            return verdict, played
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


def test_a_harmful_one_goes_within_forty_runs_and_the_share_halves_down_to_a_twentieth() -> None:
    rng, c, shares = np.random.default_rng(1), _challenge(), []
    for version in range(1, 6):
        c.begin(version, "learner")
        verdict, played = _play(c, rng, (1000.0, 100.0), 600)
        assert verdict == "worse"
        assert played.count(CHALLENGER) <= 14
        c.close(promoted=False)
        shares.append(round(1 / c.record.share))
    assert shares == [6, 12, 20, 20, 20]
    c.begin(9, "file")
    c.close(promoted=True)
    assert (c.record.share, c.record.promoted, c.record.discarded) == (1 / 3, 1, 5)


def test_a_better_one_is_promoted_and_one_without_a_difference_is_discarded_after_the_stated_runs() -> None:
    c = _challenge()
    c.begin(1, "learner")
    assert _play(c, np.random.default_rng(2), (500.0, 700.0), 600)[0] == "promote"
    c.begin(2, "learner")
    verdict, _ = _play(c, np.random.default_rng(3), (500.0, 500.0), 4 * MAX_RUNS)
    assert (verdict, len(c.record.values)) == ("unshown", MAX_RUNS)


def test_a_restart_goes_on_with_what_was_counted_and_shows_it() -> None:
    c = _challenge()
    c.begin(3, "learner")
    _play(c, np.random.default_rng(4), (500.0, 520.0), 60)
    again = Challenge(msgspec.json.decode(msgspec.json.encode(c.record), type=Record), share=1 / 3, span=1200.0)

    assert again.status() == c.status()
    shown = again.status()
    assert shown["runs"]["champion"] == 2 * shown["runs"]["challenger"] > 0
    assert shown["difference"]["low"] < shown["difference"]["mean"] < shown["difference"]["high"]
    assert 0 < shown["runs_needed"] <= 3 * MAX_RUNS


def test_a_run_that_does_not_end_breaks_its_block_and_holds_up_no_other() -> None:
    c = _challenge()
    c.begin(4, "learner")
    for game in range(6):
        c.deal(game)
    for game in (1, 2, 3, 4, 5):
        c.ended(game, 500.0)
    assert len(c.record.values) == 0  # the first block is open, and the second waits for it
    c.deal(0)
    assert len(c.record.values) == 1
