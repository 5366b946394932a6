"""A whole run of the arena, played by a pilot whose menus are decided by chance: all that is learned from is there."""

from __future__ import annotations

import numpy as np
import pytest

from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.cards.explorer import Explorer
from agent.control.motor import Motor
from agent.control.untrained import untrained_tensors
from agent.core.cards.menu import RunRecord, checked, is_random
from agent.core.choices import WANTED
from agent.core.clock import SystemClock
from agent.games.arena.game import ArenaGame
from agent.learner.science.study import Study
from agent.learner.science.watch import RunsWatch
from agent.training.evaluate import observe


def test_a_run_has_its_menus_as_they_were_shown_and_taken_and_what_followed() -> None:
    runs: list[RunRecord] = []
    watch = RunsWatch(1, runs.append, SystemClock(), game="arena", rules="r", horizon_s=5.0)
    explorer = Explorer(watch.decided, np.random.default_rng(2), is_arena=True)
    arbiter, motor, game = Arbiter(), Motor(untrained_tensors(3)), ArenaGame()
    motor.choose_by(CardChooser(WANTED, menus=explorer), arbiter)
    game.reset(5, start="run")
    carry, shown, levels = motor.initial(1), set[tuple[str, ...]](), 0
    for tick in range(60 * 120):
        if tick % 240 == 0 and game.screen is None and not shown:
            game.world["pending"] += 8
        state = game.state()
        if state.level_up_options:
            shown.add(state.level_up_options)
        seen = observe(game, 0, state, None, tick)
        carry, (action,) = motor.step(carry, [seen])
        assert action is not None
        watch.on_step(seen, action, 0)
        if seen.is_last:
            break
        if tick == 60 * 100:
            game.world["hp"] = 0.5
        levels = int(game.world["level"])
        game.tick(action)
    watch.cut()
    run = runs[0]
    assert levels >= 1 and len(run.menus) >= 6 and sum(arbiter.cards_by.values()) == len(run.menus)
    for judged in run.menus:
        assert is_random(checked(judged.menu)) and judged.menu.cards in shown
        assert judged.lived_s == pytest.approx(run.lived_s - judged.menu.at_s, abs=0.2)
    taken = [m.menu.actions[m.menu.picked] for m in run.menus if m.menu.picked < len(m.menu.cards)]
    assert run.menus[-1].menu.build == tuple(taken[: len(run.menus[-1].menu.build)]) and len(set(taken)) > 1
    assert len(run.situations) >= run.lived_s // 10
    study = Study()
    study.learn(run)
    assert study.scientist.menus == len(run.menus)
