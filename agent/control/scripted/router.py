"""The router: a scripted player with goals. It finds ways to chests, shrines and portals, and fights within reach.

It calls the boss when it is strong, stays near him, and leaves by the exit. A goal is kept for a while; the way to it
is sought around enemies; the distance kept to them is a share of what the weapons reach, which shows in the damage that
is dealt. Reads the state alone. What it does, and why, is in `/status`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from agent.control import menus
from agent.control.arrays import STILL, Surroundings, surroundings
from agent.control.policy import Capabilities
from agent.control.scripted.cards import worth
from agent.control.scripted.goals import Goal, Pursuit, in_use_range, noticed, pursue
from agent.control.scripted.routes import danger_grid, waypoint
from agent.control.scripted.steering import heading
from agent.core.rewards.tables import MINUTE_S
from agent.core.types import Action, GameState, Menu, Observation

RANGE_SHARE: Final = 0.72
"""Of the weapons' reach is kept to enemies."""
THINK_EVERY_S: Final = 0.2
PRESS_S: Final = 0.07
"""A button is held so long, and then released as long."""
MIN_REACH_M, MAX_REACH_M = 2.5, 12.0
_UNHURT_S: Final = 1.5
"""Where enemies in reach take no damage for so long, the weapons reach less far than was thought."""
_SHRINK: Final = 0.85
_STUCK_S, _STUCK_M, _AROUND_S, _AROUND_RAD = 1.2, 1.0, 0.7, 1.1


class _Reach(msgspec.Struct):
    """How far the weapons reach, learned from the damage that is dealt."""

    reach_m: float = MAX_REACH_M
    dealt: float = 0.0
    idle_s: float = 0.0


class _Carry(msgspec.Struct):
    menu: menus.MenuCarry
    pursuit: Pursuit
    reach: _Reach
    angle: float = 0.0
    thought_s: float = THINK_EVERY_S
    way: tuple[float, float] = (0.0, 0.0)
    pressed_s: float = 0.0
    stuck_s: float = 0.0
    around_s: float = 0.0
    from_: tuple[float, float] = (0.0, 0.0)
    choosing: int = 0


class Router:
    """The scripted player as a policy."""

    name = "router"

    def __init__(self) -> None:
        self._goals: dict[int, Goal] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beside playing."""
        return Capabilities(serving=self, rehearsing=self, never_waits=True, looks=False, apart=True)

    def served(self) -> dict[str, Any]:
        """What it pursues in each game, and why."""
        games = sorted(self._goals.items())
        return {"goals": [{"game": game, "goal": goal.name, "reason": goal.reason} for game, goal in games]}

    def warm_up(self) -> None:
        """Compile the search for ways and the weighing of directions."""
        around = surroundings(STILL)
        waypoint(danger_grid(0.0, 0.0, around.enemies, around.enemy_kinds), 20.0, 0.0)
        _steer(_new_carry(), STILL, around)

    def initial(self, games: int) -> list[_Carry]:
        """A player of each game who knows nothing of its run yet."""
        return [_new_carry() for _ in range(games)]

    def step(
        self, carry: list[_Carry], observations: Sequence[Observation | None]
    ) -> tuple[list[_Carry], list[Action | None]]:
        """One action for each observation."""
        pairs = zip(carry, observations, strict=True)
        now = [(c, None) if o is None else self._act(_new_carry() if o.is_first else c, o) for c, o in pairs]
        return [c for c, _ in now], [action for _, action in now]

    def rehearse(self, carry: list[_Carry], observation: Observation) -> Action | None:
        """Compute an answer again, on a copy of the memory. None in a menu."""
        if menus.in_menu(observation.state):
            return None
        return _play(copy.deepcopy(carry[observation.game]), observation)

    def _act(self, carry: _Carry, observation: Observation) -> tuple[_Carry, Action]:
        state = observation.state
        if menus.in_menu(state):
            return carry, _answer_menu(carry, observation)
        carry.menu = menus.MenuCarry()
        action = _play(carry, observation)
        self._goals[observation.game] = carry.pursuit.goal
        return carry, action


def _new_carry() -> _Carry:
    return _Carry(menus.MenuCarry(), Pursuit(useless=[]), _Reach())


def _answer_menu(carry: _Carry, observation: Observation) -> Action:
    """Take the card that is worth most; chests are counted, since their price rises."""
    state = observation.state
    if carry.menu.menu != state.current_menu or carry.menu.options != state.level_up_options:
        offers = state.level_up_options if state.current_menu in (Menu.LEVEL_UP, Menu.ENCOUNTER) else ()
        carry.choosing = int(np.argmax([worth(option) for option in offers])) if offers else 0
        carry.pursuit.chests += state.current_menu == Menu.CHEST
    carry.menu, action = menus.step(carry.menu, state, carry.choosing)
    return msgspec.structs.replace(action, answers=observation.sequence)


def _play(carry: _Carry, observation: Observation) -> Action:
    state, elapsed_s = observation.state, observation.elapsed_s
    around = surroundings(state)
    _learn_reach(carry.reach, state, around, elapsed_s)
    carry.thought_s += elapsed_s
    noticed(carry.pursuit, state, around)
    if carry.thought_s >= THINK_EVERY_S:
        goal = pursue(carry.pursuit, state, around, carry.reach.reach_m * RANGE_SHARE, carry.thought_s)
        carry.way = _way(goal, state, around)
        carry.thought_s = 0.0
    carry.angle = _steer(carry, state, around)
    _go_around_what_holds(carry, state, elapsed_s)
    carry.pressed_s = (carry.pressed_s + elapsed_s) % (2.0 * PRESS_S)
    down = carry.pressed_s < PRESS_S
    yaw = state.scene.camera_yaw_rad if state.scene is not None else 0.0
    relative = carry.angle - yaw + (_AROUND_RAD if carry.around_s > 0.0 else 0.0)
    return Action(
        move=(math.sin(relative), math.cos(relative)),
        look=(max(-0.4, min(0.4, math.sin(relative) * 0.5)), 0.0),
        ability=down,
        interact=down and in_use_range(carry.pursuit.goal, state),
        answers=observation.sequence,
    )


def _way(goal: Goal, state: GameState, around: Surroundings) -> tuple[float, float]:
    """Where to go first towards the goal, as a place on the map; the player's own where there is no goal."""
    x, _, z = state.position
    dx, dz = goal.x - x, goal.z - z
    if goal.value <= 0.0 or math.hypot(dx, dz) <= goal.keep_m:
        return x, z
    first_x, first_z = waypoint(danger_grid(x, z, around.enemies, around.enemy_kinds), dx, dz)
    return x + first_x, z + first_z


def _steer(carry: _Carry, state: GameState, around: Surroundings) -> float:
    x, _, z = state.position
    goal = carry.pursuit.goal
    near = math.hypot(goal.x - x, goal.z - z) <= goal.keep_m
    strength = 0.0 if near else goal.strength
    hurt = 1.0 - state.health / max(state.max_health, 1.0)
    return float(
        heading(
            carry.angle, x, z, around.enemies, around.enemy_kinds, around.object_kinds, around.places,
            (carry.way[0] - x, carry.way[1] - z, strength), carry.reach.reach_m * RANGE_SHARE,
            state.health, hurt, state.game_time_s / MINUTE_S,
        )
    )  # fmt: skip


def _learn_reach(reach: _Reach, state: GameState, around: Surroundings, elapsed_s: float) -> None:
    """Damage shows how far the weapons reach; none of it, with enemies in reach, that they reach less far."""
    if state.run is None or len(around.enemies) == 0:
        return
    x, _, z = state.position
    nearest_m = math.sqrt(float(((around.enemies[:, 0] - x) ** 2 + (around.enemies[:, 2] - z) ** 2).min()))
    if state.run.damage_dealt > reach.dealt:
        reach.reach_m = min(max(reach.reach_m, nearest_m), MAX_REACH_M)
        reach.idle_s = 0.0
    elif nearest_m < reach.reach_m:
        reach.idle_s += elapsed_s
        if reach.idle_s > _UNHURT_S:
            reach.reach_m, reach.idle_s = max(reach.reach_m * _SHRINK, MIN_REACH_M), 0.0
    reach.dealt = state.run.damage_dealt


def _go_around_what_holds(carry: _Carry, state: GameState, elapsed_s: float) -> None:
    """Trees are not in the state: where walking leads nowhere, walk to the side for a while."""
    x, _, z = state.position
    carry.around_s = max(0.0, carry.around_s - elapsed_s)
    if math.hypot(x - carry.from_[0], z - carry.from_[1]) > _STUCK_M:
        carry.from_, carry.stuck_s = (x, z), 0.0
        return
    carry.stuck_s += elapsed_s
    if carry.stuck_s > _STUCK_S:
        carry.stuck_s, carry.around_s = 0.0, _AROUND_S
