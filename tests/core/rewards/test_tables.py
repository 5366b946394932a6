"""What the reward tables pay, as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.core.rewards.tables import CAP_S, COUNTERS, SCORE, Weights, load_weights


def test_the_score_pays_time_alone_and_a_win_the_rest_of_the_cap() -> None:
    assert SCORE.change(kills=9, levels=2.0, damage=50.0, max_health=100.0, passed_s=90.0) == 1.5
    assert SCORE.end(True, 300.0) == 15.0 and SCORE.end(True, CAP_S + 1) == 0.0 and SCORE.end(False, 300.0) == 0.0


def test_the_counters_pay_kills_levels_damage_and_both_ends() -> None:
    paid = COUNTERS.change(kills=3, levels=0.5, damage=50.0, max_health=200.0, passed_s=90.0)
    assert paid == pytest.approx(3 * 0.02 + 0.25 - 0.25)
    assert (COUNTERS.end(True, 300.0), COUNTERS.end(False, 300.0)) == (10.0, -5.0)


@pytest.mark.parametrize("weights", [SCORE, COUNTERS])
def test_counters_that_go_back_pay_nothing(weights: Weights) -> None:
    assert weights.change(kills=-3, levels=-1.0, damage=-9.0, max_health=0.0, passed_s=-5.0) == 0.0


def test_a_file_of_brackets_alone_and_a_name_without_an_end_are_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text("kill = " + "[" * 5000, encoding="utf-8")
    with pytest.raises(SettingsError, match="deep.toml.*nested too deep"):
        load_weights(str(tmp_path / "deep.toml"))
    with pytest.raises(SettingsError, match="there are score, counters") as caught:
        load_weights("x" * 9000)
    assert len(str(caught.value)) < 300


def test_a_table_is_named_or_a_file_of_weights(tmp_path: Path) -> None:
    assert load_weights("score") is SCORE
    path = tmp_path / "mine.toml"
    path.write_text("kill = 1.0\n", encoding="utf-8")
    assert load_weights(str(path)).kill == 1.0 and load_weights(str(path)).name == "mine"
    for taken in ("counters", "own"):  # `own` is what reports call a game's own reward
        path.write_text(f'name = "{taken}"\nkill = 1.0\n', encoding="utf-8")
        with pytest.raises(SettingsError, match=f"name = '{taken}' is .*choose another"):
            load_weights(str(path))
    path.write_text("kil = 1.0\n", encoding="utf-8")
    for name in (str(path), "scores", str(tmp_path / "none.toml")):
        with pytest.raises(SettingsError, match="reward table"):
            load_weights(name)
