"""What a skill is for: its metric, its runs, when it is swapped in, and how the script plays for it."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.games.arena import state as layout
from agent.games.arena.world import Worlds
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.teacher import Teacher
from agent.training.skills.metrics import weapon_id
from agent.training.skills.task import SkillTask, SkillTeacher, task_of


def test_triggers_are_what_play_shows() -> None:
    assert task_of(weapon="lightningbolt").trigger == "weapon:Lightning staff", "its title, as cards show it"
    assert task_of(weapon="Bow") == SkillTask("weapon:Bow", "Bow", "")
    robinette = task_of(character="robinette", metric="gold")
    assert robinette.trigger == "character:Robinette" and robinette.metric == "gold"
    assert task_of(character="Fox").metric == "score" and task_of(metric="chests").trigger == "metric:chests"
    with pytest.raises(SettingsError, match="metric 'chest'"):
        task_of(metric="chest")


def test_a_characters_runs_are_its_own() -> None:
    task = task_of(character="Robinette")
    assert task.casts() == [task.cast] and task.cast.character == 6
    assert len(task_of(weapon="Bow").casts()) == 8 and task_of(weapon="Bow").cast.character == 0


def _batch() -> ArenaBatch:
    """Runs with a choice of three cards, of which the second is the Bow, in every other run."""
    batch = ArenaBatch(4, 5)
    r = batch.records
    r["phase"], r["offer_kind"], r["offer_id"] = layout.LEVEL_UP, layout.OFFER_TOME, 0
    r["offer_kind"][::2, 1], r["offer_id"][::2, 1] = layout.OFFER_WEAPON_NEW, weapon_id("Bow")
    batch.choosing[:] = True
    return batch


def test_the_script_takes_the_weapons_card_wherever_it_is_on_offer() -> None:
    batch = _batch()
    cards = SkillTeacher(task_of(weapon="Bow")).act(batch)[2]
    assert cards[::2].tolist() == [1, 1] and cards[1::2].tolist() == Teacher().act(batch)[2][1::2].tolist()
    batch.records["offer_id"][::2, 1] = weapon_id("Axe")
    assert np.array_equal(SkillTeacher(task_of(weapon="Bow")).act(batch)[2], Teacher().act(batch)[2])


def test_the_script_plays_towards_the_metric() -> None:
    batch = ArenaBatch(8, 5)
    for _ in range(30):
        axes, buttons, cards = Teacher().act(batch)
        batch.step(axes, buttons, cards)
    plain = Teacher().act(batch)[0]
    assert not np.allclose(SkillTeacher(task_of(metric="shrines")).act(batch)[0], plain)
    assert np.allclose(SkillTeacher(task_of(character="Robinette")).act(batch)[0], plain)


def test_a_weapons_runs_begin_with_it_and_others_with_what_they_have() -> None:
    worlds = Worlds(1)
    rules = worlds.catalog.rules
    for task, weapons in (
        (task_of(weapon="Bow"), [0, 6]),
        (task_of(weapon="FireStaff"), [0]),
        (task_of(metric="gold"), [0]),
    ):
        worlds.reset(0, 3, character=0, tier=0)
        task.prepare(worlds.records[0], rules)
        carried = [int(rules_id) for rules_id in worlds.records[0]["weapon"] if rules_id >= 0]
        assert carried == [weapon_id("FireStaff")] + ([weapon_id("Bow")] if len(weapons) > 1 else [])
