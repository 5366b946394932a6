"""Each rule changes what it must, no more, is counted by name, and says why in numbers."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from agent.control.arbiter import SAFETY, Arbiter
from agent.control.safety.rules import BOSS_M, EDGE_M, MAX_PRESSES, Override, Safety
from agent.core.types import HUMAN, Action, EnvAction, HumanInput, Observation, Vector2
from tests.core.goals.states import state

HALF_M = 92.0


def _seen(at_s: float = 10.0, **what: Any) -> Observation:
    return Observation(0, state(**what), None, 1, 0.016, at_s, 0.0, False, False, False)


def _guarded(action: Action, safety: Safety | None = None, **what: Any) -> Override | None:
    return (safety or Safety(1, half_m=HALF_M)).guard(_seen(**what), action)


@pytest.mark.parametrize("yaw_rad", [0.0, 1.0, math.pi])
def test_the_step_out_of_the_map_is_taken_away_and_the_step_along_its_edge_stays(yaw_rad: float) -> None:
    sin, cos = math.sin(yaw_rad), math.cos(yaw_rad)

    def move(dx: float, dz: float) -> Vector2:
        return dx * cos - dz * sin, dx * sin + dz * cos

    there = {"position": (HALF_M - EDGE_M + 0.5, 0.0, 3.0), "yaw_rad": yaw_rad}
    found = _guarded(Action(move=move(0.6, 0.5), fire=True), **there)
    assert found is not None and found.rules == ("edge",) and "1.0 m before the edge" in found.reason
    assert found.action.move == pytest.approx(move(0.0, 0.5)) and found.action.fire
    assert _guarded(Action(move=move(-0.6, 0.5)), **there) is None
    assert _guarded(Action(move=move(0.6, 0.5)), yaw_rad=yaw_rad, position=(50.0, 0.0, 3.0)) is None
    assert _guarded(Action(move=move(0.6, 0.5)), Safety(1, half_m=None), **there) is None


def test_a_diagonal_at_full_speed_leads_along_the_edge_and_not_beyond() -> None:
    yaw_rad = math.pi / 8
    at_edge = {"position": (0.0, 0.0, HALF_M), "yaw_rad": yaw_rad}
    found = _guarded(Action(move=(1.0, 1.0)), **at_edge)
    assert found is not None
    sent = Arbiter().choose(Action(move=(1.0, 1.0)), guard=lambda action: found).action.move
    assert -sent[0] * math.sin(yaw_rad) + sent[1] * math.cos(yaw_rad) == pytest.approx(0.0, abs=1e-9)


def test_both_edges_of_a_corner_hold() -> None:
    corner = (-HALF_M, 0.0, HALF_M)
    found = _guarded(Action(move=(-0.7, 0.7)), position=corner)
    assert found is not None and found.action.move == (0.0, 0.0)


def test_with_little_health_a_course_into_a_boss_that_is_near_goes_past_it_as_fast() -> None:
    near = {"enemies": ((0.0, BOSS_M - 1, True), (3.0, 0.0, False)), "health": 10.0}
    found = _guarded(Action(move=(0.28, 0.96)), **near)
    assert found is not None and found.action.move == pytest.approx((1.0, 0.0))
    left, ahead = _guarded(Action(move=(-0.14, 0.48)), **near), _guarded(Action(move=(0.0, 0.9)), **near)
    assert left is not None and left.action.move == pytest.approx((-0.5, 0.0))
    assert ahead is not None and tuple(map(abs, ahead.action.move)) == pytest.approx((0.9, 0.0))
    assert found.rules == ("boss",) and "health 10 of 100, an elite 5.0 m away" in found.reason
    assert _guarded(Action(move=(0.6, 0.8)), **near) is None, "it passes 3 m beside it"
    assert _guarded(Action(move=(0.28, -0.96)), **near) is None
    assert _guarded(Action(move=(0.0, 0.8)), **{**near, "health": 20.0}) is None
    assert _guarded(Action(move=(0.0, 0.8)), health=10.0, enemies=((0.0, BOSS_M + 1, True),)) is None
    assert _guarded(Action(move=(0.0, 0.8)), health=10.0, enemies=((0.0, 2.0, False),)) is None


def test_a_button_that_is_spammed_rests_and_is_pressed_again_a_second_later() -> None:
    safety, pressed = Safety(1, half_m=None), 0
    for tick in range(60):
        action = Action(interact=tick % 2 == 0)
        found = safety.guard(_seen(10.0 + tick / 60), action)
        pressed += (found.action if found is not None else action).interact
    assert pressed == MAX_PRESSES and safety.overrides["spam"] == 30 - MAX_PRESSES
    assert safety.guard(_seen(12.5), Action(interact=True)) is None


def test_a_button_that_is_held_is_pressed_once_and_menus_are_left_alone() -> None:
    safety = Safety(1, half_m=None)
    assert [safety.guard(_seen(10.0 + t / 60), Action(fire=True)) for t in range(120)] == [None] * 120
    menu = Safety(1, half_m=HALF_M)
    for tick in range(60):
        assert menu.guard(_seen(tick / 60, current_menu="LevelUp"), Action(fire=tick % 2 == 0)) is None


def test_while_a_person_moves_the_mouse_the_agent_neither_looks_nor_clicks() -> None:
    safety, action = Safety(1, half_m=None), Action(move=(0.0, 1.0), look=(0.4, 0.0), click=(3, 4))
    still = HumanInput(1, (0.0, 0.0), (0.0, 0.0), False, False, False, False, (0.0, 0.0))
    moved = msgspec.structs.replace(still, look=(0.3, 0.0))
    found = safety.guard(_seen(10.0, human=moved), action)
    assert found is not None and found.action == Action(move=(0.0, 1.0)) and found.rules == ("mouse",)
    assert safety.guard(_seen(10.9, human=still), action) is not None
    assert safety.guard(_seen(11.1, human=still), action) is None
    assert safety.status()["overrides"] == {"edge": 0, "boss": 0, "spam": 0, "mouse": 2}


def test_an_environments_own_action_is_never_changed() -> None:
    assert _guarded(Action(env=EnvAction((5.0,))), position=(HALF_M, 0.0, 0.0)) is None


def test_a_person_goes_before_safety_safety_before_the_planner_and_the_planner_before_the_policy() -> None:
    arbiter, asked = Arbiter(), list[Action]()

    def guard(action: Action) -> Override | None:
        asked.append(action)
        return Override(Action(fire=True), ("edge",), "edge: 0.5 m before the edge of the map")

    policy, pressed, person = Action(move=(0.1, 0.0)), Action(move=(0.0, -1.0)), Action(look=(0.5, 0.0))
    first = arbiter.choose(policy, "motor", person, (pressed, "planner"), guard)
    assert (first.owner, first.action) == (HUMAN, person) and not asked
    second = arbiter.choose(policy, "motor", None, (pressed, "planner"), guard)
    assert (second.owner, second.action, asked) == (SAFETY, Action(fire=True), [pressed]) and "0.5 m" in second.reason
    third = arbiter.choose(policy, "motor", None, (pressed, "planner"), lambda action: None)
    assert (third.owner, third.action) == ("planner", pressed)
    for verdict in (first, second, third):
        assert verdict.instead_of is not None and verdict.instead_of.action == policy
    assert arbiter.choose(policy, guard=lambda action: None).owner == "motor"
    assert arbiter.choose(None, guard=guard).owner == "nobody", "what is refused stays refused"
