"""The router: reach that is learned, rehearsals, and a run that is won with a reason for each goal."""

from __future__ import annotations

import copy

import pytest

from agent.control.arrays import surroundings
from agent.control.policies import build_policy
from agent.control.policy import capabilities_of
from agent.control.scripted.router import MAX_REACH_M, MIN_REACH_M, Router, _learn_reach, _Reach
from agent.core.clock import VirtualClock
from agent.core.types import ObjectKind, Observation
from agent.games.arena.game import ArenaGame
from agent.training.evaluate import evaluate
from tests.control.scripted.states import shown


def test_reach_is_learned_from_damage() -> None:
    reach, near = _Reach(), [(0.0, 6.0, 9.0)]
    for _ in range(40):
        _learn_reach(reach, shown(enemies=near), surroundings(shown(enemies=near)), 0.5)
    assert MIN_REACH_M <= reach.reach_m < 6.0, "at six metres nothing was hit"
    hit = shown(enemies=[(0.0, 8.0, 9.0)], dealt=5.0)
    _learn_reach(reach, hit, surroundings(hit), 0.1)
    assert reach.reach_m == pytest.approx(8.0) and reach.reach_m < MAX_REACH_M


def test_a_rehearsal_answers_the_same_and_remembers_nothing() -> None:
    router = Router()
    assert capabilities_of(router).rehearsing is router
    state = shown([(ObjectKind.CHEST, 0.0, 20.0)], [(3.0, 3.0, 9.0)], gold=99)
    seen = Observation(0, state, None, 5, 1 / 60, 0.0, 0.0, False, False, False)
    carry = router.initial(1)
    before = copy.deepcopy(carry)
    rehearsed = router.rehearse(carry, seen)
    assert carry == before and rehearsed is not None and rehearsed.answers == 5
    _, (action,) = router.step(carry, [seen])
    assert action == rehearsed and carry != before


def test_the_router_wins_runs_and_says_what_it_pursues() -> None:
    router = build_policy("router")
    report = evaluate(ArenaGame(), router, VirtualClock(), episodes=1, seed=930_001)
    assert report["statistics"]["wins"] == 1
    assert isinstance(router, Router)
    (said,) = router.served()["goals"]
    assert said["game"] == 0 and said["goal"] == "exit" and "m away" in said["reason"]
