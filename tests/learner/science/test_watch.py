"""What followed each menu, from observations: times, ends, changes of speed and health; runs that are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from agent.control.arrays import STILL
from agent.core.cards.menu import COVARIATES, CardMenu, RunRecord
from agent.core.clock import SystemClock
from agent.core.types import NEUTRAL, Menu, Observation
from agent.learner.science.watch import FOR_EVER_S, RunsWatch


def menu(at_s: float) -> CardMenu:
    return CardMenu(
        kind="LevelUp", cards=("bow", "axe"), actions=("bow", "axe"), propensities=(0.5, 0.5), picked=0,
        covariates=(0.0,) * len(COVARIATES), at_s=at_s,
    )  # fmt: skip


class Play:
    """One game that is watched at 10 Hz: time goes on, the player walks at `speed` and has `health`."""

    def __init__(self, horizon_s: float = 5.0) -> None:
        self.runs: list[RunRecord] = []
        self.watch = RunsWatch(1, self.runs.append, SystemClock(), game="arena", rules="r", horizon_s=horizon_s)
        self.time_s, self.speed, self.health = 0.0, 4.0, 100.0

    def see(self, **values: Any) -> None:
        shown = replace(
            STILL, game_time_s=self.time_s, velocity=(self.speed, 9.0, 0.0), health=self.health, max_health=100.0,
            is_playing=True, **{k: values.pop(k) for k in ("current_menu", "is_paused") if k in values},
        )  # fmt: skip
        known: dict[str, Any] = {"is_first": False, "is_last": False, "is_terminal": False, "is_won": False}
        self.watch.on_step(Observation(0, shown, None, 0, 0.1, 0.0, 0.0, **{**known, **values}), NEUTRAL, 0)

    def play(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.time_s += 0.1
            self.see()


def test_what_followed_a_menu_is_measured_from_when_it_was_decided() -> None:
    p = Play()
    p.see(is_first=True)
    p.play(8.0)
    p.see(current_menu=Menu.LEVEL_UP, is_paused=True)
    p.watch.decided(0, menu(8.0))
    p.speed, p.health = 7.0, 80.0
    p.play(10.0)
    p.watch.decided(0, menu(18.0))
    p.play(2.0)
    p.see(is_last=True, is_terminal=True)
    (run,) = p.runs
    first, second = run.menus
    assert (
        first.lived_s == pytest.approx(12.0, abs=0.2) and first.died and first.score_s == pytest.approx(20.0, abs=0.2)
    )
    assert first.speed == pytest.approx(3.0, abs=0.1) and first.health == pytest.approx(-0.2)
    assert (second.speed, second.health) == (None, None), "its horizon was not over"
    assert [s.at_s for s in run.situations] == pytest.approx([0.1, 10.1], abs=0.11)
    assert run.situations[1].covariates[0] == pytest.approx(0.8) and run.game == "arena" and run.rules == "r"
    assert (run.died, run.won, run.lived_s) == (True, False, pytest.approx(20.0, abs=0.2))


@pytest.mark.parametrize("end", ["won", "time limit", "reconnect", "session"])
def test_a_run_that_was_won_went_on_and_one_that_was_cut_has_no_score(end: str) -> None:
    p = Play()
    p.see(is_first=True)
    p.play(3.0)
    p.watch.decided(0, menu(3.0))
    p.play(3.0)
    if end == "won":
        p.see(is_last=True, is_terminal=True, is_won=True)
    elif end == "time limit":
        p.see(is_last=True)
    elif end == "reconnect":
        p.time_s = 0.0
        p.see(is_first=True)
    else:
        p.watch.cut()
    (run,) = p.runs
    (judged,) = run.menus
    assert not judged.died and run.won == (end == "won")
    assert (judged.lived_s, judged.score_s) == (
        (FOR_EVER_S, 1200.0) if end == "won" else (pytest.approx(3.0, abs=0.2), None)
    )
    assert p.watch.latest == [None]


def test_nothing_is_told_of_what_was_never_played_and_the_latest_situation_is_kept_meanwhile() -> None:
    p = Play()
    p.watch.cut()
    p.see(is_first=True)
    p.watch.cut()
    assert p.runs == []
    p.see(is_first=True)
    p.play(12.0)
    assert p.watch.latest[0] is not None and p.watch.latest[0].at_s > 9.0
    assert np.isfinite(p.watch.latest[0].covariates).all()
