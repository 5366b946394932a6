"""The vector tells subgoals apart, and where they lie in the camera's frame."""

from __future__ import annotations

import math

import numpy as np
import pytest

from agent.core.goals.progress import Judged, Outcome, Pursuit, Tally
from agent.core.goals.vector import GOAL_FEATURES, GoalColumn, describe, features, target
from agent.core.goals.vocabulary import KINDS, Subgoal, SubgoalKind
from agent.core.types import FloatArray, GameState
from tests.core.goals.states import state

C = GoalColumn


def _vector(subgoal: Subgoal | None, at: GameState, share: float = 0.0) -> FloatArray:
    out = np.full(GOAL_FEATURES, 7.0, np.float32)
    pursuit = Pursuit(subgoal, Tally(), 0.0, (0.0, 0.0)) if subgoal is not None else None
    features(pursuit, Judged(Outcome.RUNNING, share, ""), at, out)
    return out


def test_without_a_subgoal_all_is_zero() -> None:
    assert not _vector(None, state()).any() and describe()["goal_features"] == GOAL_FEATURES == C.THERE + 1


def test_no_two_subgoals_look_alike() -> None:
    there = state(objects=((4, 3.0, 0.0), (5, 3.0, 0.0), (1, 3.0, 0.0), (6, 3.0, 0.0)), enemies=((3.0, 0.0, True),))
    all_of_them = [
        *(Subgoal(kind) for kind in (SubgoalKind.KILL, SubgoalKind.BOSS, SubgoalKind.REACH_LEVEL)),
        Subgoal(SubgoalKind.SURVIVE_UNTIL), Subgoal(SubgoalKind.AVOID, place=(3.0, 0.0), radius_m=2.0),
        *(Subgoal(SubgoalKind.OPEN, w) for w in ("chest", "shrine")),
        *(Subgoal(SubgoalKind.REACH, w) for w in ("chest", "shrine", "xp", "portal")),
        *(Subgoal(SubgoalKind.COLLECT, w) for w in ("xp", "gold")),
        *(Subgoal(SubgoalKind.PICK_CARD, w) for w in ("weapon", "speed")),
    ]  # fmt: skip
    vectors = {_vector(s, there).tobytes() for s in all_of_them}
    assert len(vectors) == len(all_of_them) and {s.kind for s in all_of_them} == set(KINDS)


@pytest.mark.parametrize(("yaw_rad", "right", "ahead"), [(0.0, 10.0, 0.0), (math.pi / 2, 0.0, 10.0)])
def test_the_target_turns_with_the_camera(yaw_rad: float, right: float, ahead: float) -> None:
    v = _vector(Subgoal(SubgoalKind.OPEN, "shrine"), state(yaw_rad=yaw_rad, objects=((5, 10.0, 0.0), (5, 30.0, 0.0))))
    assert v[[C.RIGHT, C.AHEAD]] * 20 == pytest.approx([right, ahead], abs=1e-4) and v[C.SEEN] == 1.0


def test_the_way_that_is_left_shrinks_and_what_is_not_seen_lies_nowhere() -> None:
    v = _vector(Subgoal(SubgoalKind.OPEN, "shrine"), state(), 0.75)
    assert v[C.LEFT] == pytest.approx(0.25) and v[C.SEEN] == v[C.NEARNESS] == 0.0


def test_a_boss_is_where_an_elite_is_else_where_the_portal_is() -> None:
    boss = Subgoal(SubgoalKind.BOSS)
    assert target(boss, state(enemies=((1.0, 0.0, False), (5.0, 5.0, True)))) == (5.0, 5.0)
    assert target(boss, state(enemies=((1.0, 0.0, False),), objects=((6, 9.0, 9.0),))) == (9.0, 9.0)
    assert target(boss, state()) is None
