"""When a subgoal is done or failed, read from states alone: a tally of what happened, and one subgoal's pursuit."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from agent.core.goals.vocabulary import OBJECTS, Subgoal, SubgoalKind
from agent.core.types import FloatArray, GameState, Menu, Vector2

ELITE_BIT: Final = 128


class Tally(msgspec.Struct):
    """What has happened in one game's run, counted from its states.

    xp: levels and the share of the next. gold, healed: what was gained, also where it was spent or lost since.
    bosses: elites and bosses that went while kills rose. picked: cards that were taken as a plan asked, told by
    whoever takes them.
    """

    time_s: float = 0.0
    level: int = 0
    xp: float = 0.0
    kills: int = 0
    gold: float = 0.0
    healed: float = 0.0
    chests: int = 0
    shrines: int = 0
    bosses: int = 0
    picked: int = 0
    deaths: int = 0
    runs: int = 0
    elites: int = 0
    _gold: float = 0.0
    _health: float = 0.0
    _menu: str = ""

    def add(self, state: GameState, *, is_first: bool = False, died: bool = False) -> None:
        """Count what one more state shows; the first of a run begins the run's counts anew."""
        run, scene = state.run, state.scene
        elites = int(np.count_nonzero(scene.enemy_kinds >= ELITE_BIT)) if scene is not None else 0
        kills = run.kills if run is not None else 0
        if is_first:
            self.runs += 1
            self._gold, self._health, self._menu = (run.gold if run is not None else 0.0), state.health, ""
            self.kills = kills
        self.time_s, self.deaths = state.game_time_s, self.deaths + died
        if run is not None:
            self.level, self.xp = run.level, run.level + run.xp_fraction
            self.gold += max(0.0, run.gold - self._gold)
            self._gold = float(run.gold)
            if kills > self.kills and elites < self.elites and not is_first:
                self.bosses += self.elites - elites
            self.kills = kills
        self.elites = elites
        self.healed += max(0.0, state.health - self._health)
        self._health = state.health
        if state.current_menu != self._menu:
            self.chests += state.current_menu == Menu.CHEST
            self.shrines += state.current_menu == Menu.ENCOUNTER
            self._menu = state.current_menu

    def copy(self) -> Tally:
        """The counts as they are now."""
        return msgspec.structs.replace(self)


class Outcome(StrEnum):
    """How a pursuit stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Judged(msgspec.Struct, frozen=True):
    """How a pursuit stands, and why, in numbers; share: of the way that is done, 0 … 1."""

    outcome: Outcome
    share: float
    reason: str


class Pursuit(msgspec.Struct, frozen=True):
    """A subgoal that is pursued since `begun_s` of this machine's clock; `start`: the tally then."""

    subgoal: Subgoal
    start: Tally
    begun_s: float
    position: Vector2


def begin(subgoal: Subgoal, tally: Tally, state: GameState, now_s: float) -> Pursuit:
    """Pursue from now on."""
    return Pursuit(subgoal, tally.copy(), now_s, (state.position[0], state.position[2]))


def judge(pursuit: Pursuit, tally: Tally, state: GameState, now_s: float) -> Judged:
    """How it stands at this state."""
    subgoal, waited_s = pursuit.subgoal, now_s - pursuit.begun_s
    if tally.deaths > pursuit.start.deaths or tally.runs > pursuit.start.runs:
        return Judged(Outcome.FAILED, 0.0, f"the run ended after {waited_s:.1f} s of {subgoal.describe()}")
    if subgoal.kind is SubgoalKind.AVOID:
        return _judge_avoid(pursuit, state, waited_s)
    has, needs, unit = _measured(subgoal, pursuit.start, tally, state)
    text = f"{has:.4g} of {needs:.4g} {unit} after {waited_s:.1f} s"
    if subgoal.kind is SubgoalKind.REACH:
        share = 0.0 if not math.isfinite(has) else min(1.0, needs / max(has, 1e-6))
        text = f"{has:.1f} m from the nearest {subgoal.what}, {needs:.1f} m are near, after {waited_s:.1f} s"
        done = has <= needs
    else:
        share, done = min(1.0, max(0.0, has / needs)), has >= needs
    if done:
        return Judged(Outcome.DONE, 1.0, text)
    if waited_s >= subgoal.within_s:
        return Judged(Outcome.FAILED, share, f"{text}, {subgoal.within_s:.0f} s were given")
    return Judged(Outcome.RUNNING, share, text)


def situation(state: GameState) -> str:
    """A state in words, for sentences of reason: level, time and health."""
    level = f"level {state.run.level}, " if state.run is not None else ""
    return f"{level}{state.game_time_s:.1f} s, health {state.health:.0f} of {state.max_health:.0f}"


def _judge_avoid(pursuit: Pursuit, state: GameState, waited_s: float) -> Judged:
    subgoal = pursuit.subgoal
    assert subgoal.place is not None
    away_m = math.dist((state.position[0], state.position[2]), subgoal.place)
    began_inside = math.dist(pursuit.position, subgoal.place) < subgoal.radius_m
    text = f"{away_m:.1f} m from the area's middle, {subgoal.radius_m:.0f} m are outside, after {waited_s:.1f} s"
    share = min(1.0, waited_s / subgoal.within_s)
    if away_m < subgoal.radius_m and not began_inside:
        return Judged(Outcome.FAILED, share, text)
    if waited_s >= subgoal.within_s:
        outside = away_m >= subgoal.radius_m
        return Judged(Outcome.DONE if outside else Outcome.FAILED, 1.0, text)
    return Judged(Outcome.RUNNING, share, text)


def _measured(subgoal: Subgoal, start: Tally, tally: Tally, state: GameState) -> tuple[float, float, str]:
    """What is there, what is needed, and of what."""
    kind, needs = subgoal.kind, subgoal.amount
    if kind is SubgoalKind.SURVIVE_UNTIL:
        return tally.time_s, needs, "s survived"
    if kind is SubgoalKind.REACH_LEVEL:
        return tally.level, needs, "levels"
    if kind is SubgoalKind.KILL:
        return tally.kills - start.kills, needs, "kills"
    if kind is SubgoalKind.BOSS:
        return tally.bosses - start.bosses, needs, "bosses"
    if kind is SubgoalKind.PICK_CARD:
        return tally.picked - start.picked, needs, f"cards of {subgoal.what}"
    if kind is SubgoalKind.OPEN:
        done = tally.chests - start.chests if subgoal.what == "chest" else tally.shrines - start.shrines
        return done, needs, f"{subgoal.what}s opened"
    if kind is SubgoalKind.COLLECT:
        of = {"xp": "xp", "gold": "gold", "health": "healed"}[subgoal.what]
        return getattr(tally, of) - getattr(start, of), needs, subgoal.what
    return nearest_m(state, subgoal.what), needs, "m"


def nearest_m(state: GameState, what: str) -> float:
    """Distance to the nearest object of a kind, m; infinite where none is shown."""
    place = nearest(state, what)
    return math.inf if place is None else math.dist((state.position[0], state.position[2]), place)


def nearest(state: GameState, what: str) -> Vector2 | None:
    """Place (x, z) of the nearest object of a kind; None where none is shown."""
    scene = state.scene
    if scene is None:
        return None
    found = scene.object_positions[scene.object_kinds == OBJECTS[what]]
    return _nearest_of(found[:, 0], found[:, 2], state)


def nearest_enemy(state: GameState, *, elite: bool = False) -> Vector2 | None:
    """Place (x, z) of the nearest enemy, or of the nearest elite or boss; None where there is none."""
    found, scene = state.enemies, state.scene
    if elite:
        if scene is None or len(scene.enemy_kinds) != len(found):
            return None
        found = found[scene.enemy_kinds >= ELITE_BIT]
    return _nearest_of(found[:, 0], found[:, 2], state)


def _nearest_of(xs: FloatArray, zs: FloatArray, state: GameState) -> Vector2 | None:
    if len(xs) == 0:
        return None
    at = int(np.argmin((xs - state.position[0]) ** 2 + (zs - state.position[2]) ** 2))
    return float(xs[at]), float(zs[at])
