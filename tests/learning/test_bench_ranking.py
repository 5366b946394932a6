"""The campaign that ranks players by score and by return tells orders that differ from orders that agree."""

from __future__ import annotations

import pytest

from agent.control.reward import SCORE, TABLES
from agent.control.score import EpisodeResult
from tools.bench import ranking


@pytest.mark.parametrize("gain", [1.0, -1.0])
def test_it_passes_only_where_the_default_table_ranks_as_the_score_does(
    gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(player: str, seed: int) -> dict[str, EpisodeResult]:
        score_s = 100.0 * ranking.PLAYERS.index(player) + seed % 7
        pays = {name: gain * score_s if name == SCORE.name else -score_s for name in TABLES}
        return {name: EpisodeResult(score_s, score_s, False, 1, 1, paid, 9) for name, paid in pays.items()}

    monkeypatch.setattr(ranking, "play", play)
    found = ranking.ranked(seed=1000, episodes=3, earlier=None)
    assert found["passed"] is (gain > 0) and found["orders"]["score_s"] == list(ranking.PLAYERS)
    assert found["orders"]["counters"] == list(reversed(ranking.PLAYERS))


def test_a_run_is_paid_its_score_in_minutes_by_the_default_table() -> None:
    result = ranking.play("random", 1000)
    assert result[SCORE.name].episode_return == pytest.approx(result[SCORE.name].score_s / 60.0, abs=1e-4)
    assert result["counters"].score_s == result[SCORE.name].score_s > 10.0
    assert result["counters"].episode_return != result[SCORE.name].episode_return
