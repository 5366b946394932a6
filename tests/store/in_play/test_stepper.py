"""Skills are swapped between two steps, in one game at a time, and nothing else changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.core.goals.progress import Tally, begin
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.planning.goal import parse_goal
from agent.store.in_play.stepper import Fitting
from tests.core.goals.states import state
from tests.store.in_play.play import BASE, Play


@pytest.fixture
def play(tmp_path: Path) -> Play:
    found = Play(tmp_path, bow=("weapon:Bow", 1.0), shrines=("metric:shrines", 2.0), fox=("character:Robinette", 4.0))
    asyncio.run(found.part.begin())
    return found


def test_a_weapon_that_is_taken_is_answered_with_its_skill_in_the_very_next_step(play: Play) -> None:
    assert play.step(first=True) == 0.0 and play.stepper.playing(0) == ()
    play.take("Bow (new): Arrows that pierce.")
    assert play.step() == 1.0, "the first observation after the menu"
    assert play.stepper.playing(0) == ("bow",) and play.stepper.swaps == 1
    message, payload = play.said[-1]
    assert "'Bow (new): Arrows that pierce.' was taken at 0.0 s, card 2" in message and payload["skills"] == ["bow"]
    assert play.step(game=1, first=True) == 0.0, "the other game has no bow"
    assert play.step(first=True) == 0.0 and play.stepper.playing(0) == (), "a new run carries none"
    assert "no skill plays after bow" in play.said[-1][0]


def test_another_card_and_a_persons_card_swap_nothing(play: Play) -> None:
    play.step(first=True)
    play.take("Sword (new): A wide swing")
    assert play.step() == 0.0
    play.take("Bow (new): Arrows", by_human=True)
    assert play.step(by_human=True) == 0.0, "which card a person took is not known"


def test_a_subgoal_that_is_pursued_is_answered_and_its_end_too(play: Play) -> None:
    play.step(first=True)
    pursuit = begin(Subgoal(SubgoalKind.OPEN, "shrine"), Tally(), state(), 0.0)
    play.context.pursue(0, pursuit, None)
    assert play.step() == 2.0 and "open(shrine, 1) is pursued" in play.said[-1][0]
    play.context.pursue(0, None, None)
    assert play.step() == 0.0


def test_several_that_fit_play_once_they_are_composed_and_the_old_one_until_then(play: Play) -> None:
    play.step(first=True)
    play.take("Bow (new): Arrows that pierce.")
    assert play.step() == 1.0
    play.context.pursue(0, begin(Subgoal(SubgoalKind.OPEN, "shrine"), Tally(), state(), 0.0), None)
    assert play.step() == 1.0 and play.stepper.missing() == [("bow", "shrines")]
    asyncio.run(play.part.look())
    assert play.step() == 1.5, "TIES: the mean of the entries that agree"
    assert play.stepper.missing() == [] and play.stepper.playing(0) == ("bow", "shrines")


def test_the_versions_of_games_are_numbers_that_no_weights_have(play: Play) -> None:
    play.step(first=True)
    play.take("Bow (new): Arrows that pierce.")
    play.step()
    number = play.stepper.version(0)
    assert number < -1 and play.stepper.version(1) == play.policy.version == 0
    assert play.stepper.acting(0).tensors["gain"][0] == 1.0 and play.stepper.acting(1) is play.policy
    newest = play.weights.named("shows")
    published = play.weights.publish("shows", BASE, kind="pilot", layout={"x": 1}).version
    assert published == newest + 1, "a composition uses up no number of the store"


def test_skills_of_weights_that_are_gone_do_not_play(play: Play) -> None:
    play.step(first=True)
    play.take("Bow (new): Arrows that pierce.")
    assert play.step() == 1.0
    play.policy.load(BASE | {"gain": np.full(4, 0.5, np.float32)}, 9)
    assert play.step() == 0.5, "at once, before anybody looked"
    asyncio.run(play.part.look())
    assert play.step() == 0.5 and "was made from the weights" in play.part.refused["bow"]


def test_a_composition_that_raises_is_given_up_and_the_same_observation_is_answered(play: Play) -> None:
    play.stepper.make_ready(("bow",), BASE | {"gain": np.full(4, 9.0, np.float32)}, 50)
    play.step(first=True)
    play.take("Bow (new): Arrows that pierce.")
    assert play.step() == 0.0 and play.stepper.playing(0) == ()
    assert "nine" in play.stepper.failed["bow",]
    assert play.step() == 0.0 and play.stepper.missing() == []


def test_a_costly_skill_plays_only_where_the_goal_names_it(play: Play) -> None:
    costly = {"score_s": {"difference": [-9.0, -12.0, -5.0]}}
    fitting = play.stepper.fitting
    skills = tuple(msgspec.structs.replace(s, performance=costly) for s in fitting.skills)
    ready = dict(play.stepper._ready)
    play.stepper.fit(Fitting(fitting.version, skills))
    play.stepper._ready.update(ready)
    play.step(first=True)
    play.take("Bow (new): Arrows that pierce.")
    assert play.step() == 0.0
    play.stepper.goal = lambda: parse_goal("take the bow")
    assert play.step() == 1.0
    rich = msgspec.structs.replace(skills[0], tags=["metric:gold"])
    assert rich.is_asked({"metric:gold"}) and not rich.is_asked({"metric:shrines"})
