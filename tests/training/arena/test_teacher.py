"""The teacher of lessons: how near it goes, when it calls the boss, that it wins; what a training plays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agent.control.untrained import untrained_tensors
from agent.core.errors import SettingsError, WeightsError
from agent.games.arena import state as layout
from agent.games.arena.catalog import load_catalog
from agent.games.arena.foes import add_foe
from agent.games.arena.things import add_thing
from agent.training.arena.batch import ArenaBatch, Cast
from agent.training.arena.goals import SHRINE
from agent.training.arena.motor_data import _SCRIPTS
from agent.training.arena.teacher import KNOBS, Knobs, Teacher
from agent.training.arena.train import BEGUN_SHARE, ArenaTraining, all_casts
from agent.training.arena.worth import WEIGHTS
from agent.training.command import build_training
from agent.training.options import TrainOptions
from tools.bench.teacher import whole_runs

torch.set_num_threads(1)
NAMES = [c["name"] for c in load_catalog().characters]


def towards(
    character: str, *, thing: int | None = None, away_m: float = 6.0, at_s: float = 0.0, knobs: Knobs = KNOBS
) -> float:
    """How far east the teacher walks, −1 … 1, with a slime or a thing so far east of it in an empty world."""
    batch = ArenaBatch(1, 5, casts=[Cast(0, NAMES.index(character))])
    world, rules = batch.records[0], batch.worlds.catalog.rules
    world["drops"] = world["things"] = world["foes"] = 0
    world["time_s"], world["level"] = at_s, 10
    if thing is None:
        add_foe(world, rules, 3, 0, world["x"] + away_m, world["z"])
    else:
        add_thing(world, thing, world["x"] + away_m, world["z"])
    axes, _, _ = Teacher(knobs).act(batch)
    return float(np.sin(world["yaw"] + np.arctan2(axes[0, 0], axes[0, 1])))


def test_short_weapons_make_it_go_near_and_long_ones_away() -> None:
    assert towards("Megachad") > 0.5 > 0.0 > towards("CL4NK")


def test_the_portal_draws_when_the_boss_may_be_called() -> None:
    assert towards("Fox", thing=layout.THING_PORTAL, away_m=60.0, at_s=KNOBS.boss_s - 1.0) < 0.5
    assert towards("Fox", thing=layout.THING_PORTAL, away_m=60.0, at_s=KNOBS.boss_s + 1.0) > 0.9


def test_who_pursues_shrines_goes_to_the_nearest_of_any_kind_as_the_motor_s_vector_says() -> None:
    for knobs, goes in ((_SCRIPTS[SHRINE], True), (KNOBS, False)):
        assert (towards("Fox", thing=layout.THING_GREED, away_m=60.0, knobs=knobs) > 0.9) is goes
    batch = ArenaBatch(1, 5)
    world = batch.records[0]
    world["things"] = world["foes"] = 0
    add_thing(world, layout.THING_GREED, world["x"] + 1.0, world["z"])
    world["near_thing"] = 0
    pressed = [int(Teacher(knobs).act(batch)[1][0, 2]) for knobs in (_SCRIPTS[SHRINE], KNOBS)]
    assert pressed == [1, 0]


def test_it_wins_with_characters_whose_weapons_are_short() -> None:
    casts = [Cast(0, NAMES.index(name)) for name in ("Megachad", "Sir Oofie", "Ogre")]
    found = whole_runs(casts, [930_000] * 3, KNOBS, WEIGHTS)
    assert [won for won, _ in found] == [True] * 3 and all(score_s == 1200.0 for _, score_s in found)
    assert found == whole_runs(casts, [930_000] * 3, KNOBS, WEIGHTS)


def test_a_training_plays_every_tier_and_character_and_begins_with_the_weights_that_are_named(tmp_path: Path) -> None:
    assert len(set(all_casts())) == len(all_casts()) == 3 * len(NAMES)
    tensors = untrained_tensors(3)
    training = ArenaTraining(seed=0, total_steps=9000, lesson_steps=9000, runs=24, begin=tensors)
    own = training.policy.pilot.state_dict()
    assert all(np.array_equal(own[name].numpy(), tensor) for name, tensor in tensors.items())
    pairs = {(int(w["tier"]), int(w["character"])) for w in training.batch.records}
    assert pairs == set(all_casts())
    training.advance()
    assert training.lessons.share == BEGUN_SHARE, "who plays already need not watch first"
    with pytest.raises(WeightsError, match="not the tensors of a pilot of the usual sizes: [^\n]*$"):
        ArenaTraining(seed=0, total_steps=9, lesson_steps=9, runs=1, begin={"decision_ticks": np.ones(3)})
    with pytest.raises(SettingsError, match="--begin"):
        build_training(TrainOptions(game="gym:CartPole-v1", steps=10, out=tmp_path, begin=tmp_path / "p.safetensors"))
