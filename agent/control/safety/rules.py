"""Safety: rules that see the real action and state, and change as little of the action as they need to.

edge: no step out of the map, where its edge is known. boss: with little health a course into an elite or boss that is
near becomes one past it, as fast. spam: a button that is pressed anew more than `MAX_PRESSES` times a second rests.
mouse: while a person moves the mouse without having taken over, the agent neither looks nor clicks.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Final

import msgspec

from agent.core.goals.progress import nearest_enemy
from agent.core.types import Action, GameState, Menu, Observation, Vector2

RULES: Final = ("edge", "boss", "spam", "mouse")
EDGE_M: Final = 1.5
"""How far from the edge the edge begins."""
LOW_HEALTH: Final = 0.15
BOSS_M: Final = 6.0
PAST_M: Final = 2.0
"""A straight course that passes a boss at more than this touches none: a boss's radius and the player's, and some."""
MAX_PRESSES: Final = 12
MOUSE_S: Final = 1.0
_MOVED: Final = 0.02
_BUTTONS: Final = ("fire", "ability", "interact")


_Found = list[tuple[str, str]]
"""Rules that changed an action, each with its reason."""


class Override(msgspec.Struct, frozen=True):
    """An action in place of another, the rules that made it, and why, in numbers."""

    action: Action
    rules: tuple[str, ...]
    reason: str


class _Game(msgspec.Struct):
    """One game's buttons as they were sent last, the instants of their presses, and when its mouse was last moved."""

    held: dict[str, bool] = msgspec.field(default_factory=dict)
    presses: dict[str, deque[float]] = msgspec.field(default_factory=dict)
    mouse_s: float = float("-inf")


class Safety:
    """The rules for the games of a session. half_m: half of the map's width, None where it is not known."""

    def __init__(self, games: int, *, half_m: float | None) -> None:
        self.half_m = half_m
        self.overrides = dict.fromkeys(RULES, 0)
        self._games = [_Game() for _ in range(games)]

    def guard(self, observation: Observation, action: Action) -> Override | None:
        """What is to be sent instead of this action, None where it may be sent as it is."""
        game, state, now_s = self._games[observation.game], observation.state, observation.received_at_s
        if action.env is not None:
            return None
        guarded, found = action, _Found()
        guarded = self._mouse(game, state, guarded, now_s, found)
        if state.is_playing and not state.is_paused and state.current_menu == Menu.PLAY:
            guarded = self._spam(game, guarded, now_s, found)
            if guarded.move != (0.0, 0.0):
                guarded = self._edge(state, guarded, found)
                guarded = self._boss(state, guarded, found)
        if not found:
            return None
        for rule, _ in found:
            self.overrides[rule] += 1
        return Override(guarded, tuple(rule for rule, _ in found), "; ".join(why for _, why in found))

    def _mouse(self, game: _Game, state: GameState, action: Action, now_s: float, found: _Found) -> Action:
        human = state.human
        if human is not None and (human.ui_click or max(abs(human.look[0]), abs(human.look[1])) > _MOVED):
            game.mouse_s = now_s
        if now_s - game.mouse_s >= MOUSE_S or (action.look == (0.0, 0.0) and action.click is None):
            return action
        found.append(("mouse", f"mouse: a person moved it {now_s - game.mouse_s:.2f} s ago"))
        return msgspec.structs.replace(action, look=(0.0, 0.0), click=None)

    def _spam(self, game: _Game, action: Action, now_s: float, found: _Found) -> Action:
        for name in _BUTTONS:
            pressed = getattr(action, name)
            if pressed and not game.held.get(name, False):
                presses = game.presses.setdefault(name, deque())
                while presses and now_s - presses[0] > 1.0:
                    presses.popleft()
                if len(presses) >= MAX_PRESSES:
                    found.append(("spam", f"spam: {name} was pressed {len(presses)} times in a second"))
                    action, pressed = msgspec.structs.replace(action, **{name: False}), False
                else:
                    presses.append(now_s)
            game.held[name] = pressed
        return action

    def _edge(self, state: GameState, action: Action, found: _Found) -> Action:
        if self.half_m is None:
            return action
        x, z = state.position[0], state.position[2]
        limit_m = self.half_m - EDGE_M
        if max(abs(x), abs(z)) < limit_m:
            return action
        yaw = _yaw(state)
        dx, dz = _to_world(action.move, yaw)
        if abs(x) >= limit_m and dx * x > 1e-6:
            dx, out = 0.0, x
        elif abs(z) >= limit_m and dz * z > 1e-6:
            dz, out = 0.0, z
        else:
            return action
        if abs(z) >= limit_m and dz * z > 1e-6:
            dz = 0.0
        found.append(("edge", f"edge: {self.half_m - abs(out):.1f} m before the edge of the map"))
        return msgspec.structs.replace(action, move=_within(_to_camera((dx, dz), yaw)))

    def _boss(self, state: GameState, action: Action, found: _Found) -> Action:
        if state.health >= LOW_HEALTH * state.max_health:
            return action
        boss = nearest_enemy(state, elite=True)
        if boss is None:
            return action
        away_m = math.dist((state.position[0], state.position[2]), boss)
        if not 1e-3 < away_m <= BOSS_M:
            return action
        yaw = _yaw(state)
        dx, dz = _to_world(action.move, yaw)
        tx, tz = (boss[0] - state.position[0]) / away_m, (boss[1] - state.position[2]) / away_m
        past = dz * tx - dx * tz
        if dx * tx + dz * tz <= 1e-6 or abs(past) * away_m > PAST_M * math.hypot(dx, dz):
            return action
        said = f"boss: health {state.health:.0f} of {state.max_health:.0f}, an elite {away_m:.1f} m away"
        found.append(("boss", said))
        # At full speed past it, on the side that was meant: who slows down is caught by the others.
        speed = math.copysign(math.hypot(dx, dz), past)
        return msgspec.structs.replace(action, move=_within(_to_camera((-speed * tz, speed * tx), yaw)))

    def status(self) -> dict[str, Any]:
        """How often each rule changed an action, and which rule knows too little to act."""
        edge = "no edge is known of this game" if self.half_m is None else f"{self.half_m:g} m from the middle"
        return {"overrides": dict(self.overrides), "edge": edge}


def _yaw(state: GameState) -> float:
    return state.scene.camera_yaw_rad if state.scene is not None else 0.0


def _to_world(move: Vector2, yaw: float) -> Vector2:
    """A move relative to the camera, along x and z of the world."""
    sin, cos = math.sin(yaw), math.cos(yaw)
    return move[0] * cos + move[1] * sin, -move[0] * sin + move[1] * cos


def _within(move: Vector2) -> Vector2:
    """The move, shortened so that neither axis is beyond 1."""
    longest = max(1.0, abs(move[0]), abs(move[1]))
    return move[0] / longest, move[1] / longest


def _to_camera(move: Vector2, yaw: float) -> Vector2:
    """A move of the world, relative to the camera."""
    sin, cos = math.sin(yaw), math.cos(yaw)
    return move[0] * cos - move[1] * sin, move[0] * sin + move[1] * cos
