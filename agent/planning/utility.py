"""The builtin planner: numbered subgoals that the state allows, each with a utility made of logged numbers.

    utility = base + weight · asked + need − far − 0.3 · failures

base: what the subgoal is worth to every run. asked: 1 where the goal names it. need: from the state, such as missing
health. far: 0.01 for each metre to where it lies. failures: of the same subgoal in the last minute. A language model
chooses among the same subgoals by their numbers, so that nothing it says can leave the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from agent.core.goals.progress import Tally, nearest_enemy, nearest_m
from agent.core.goals.vocabulary import CARD_KINDS, Subgoal, SubgoalKind, is_card_name
from agent.core.types import GameState
from agent.planning.goal import Goal

MAX_NAMES: Final = 8
FAR: Final = 0.01
FAILED: Final = 0.3
NEAR_M: Final = 25.0
AREA_M: Final = 12.0
UNSEEN_M: Final = 60.0
"""What a goal asks for and is not in sight counts as so far away: it has to be looked for."""
LOW_HEALTH: Final = 0.3
_K: Final = SubgoalKind


class Candidate(msgspec.Struct, frozen=True):
    """A subgoal with its number, its utility, and what that was made of, in numbers.

    again: the goal asks for more of it, or the state needs it, so that it is worth as much just after it is done.
    """

    id: int
    subgoal: Subgoal
    utility: float
    because: str
    again: bool = False


class _Rated(msgspec.Struct):
    """What a subgoal is worth: see the module. subgoal: None for one that is none, see `_subgoal`."""

    subgoal: Subgoal | None
    base: float
    asked: bool = False
    weight: float = 0.8
    need: float = 0.0
    far_m: float = 0.0
    why: str = ""


def candidates(
    goal: Goal, state: GameState, tally: Tally, names: tuple[str, ...], failures: Mapping[str, int]
) -> list[Candidate]:
    """Every subgoal that makes sense now, best first. names: of cards that were offered; failures: by `describe()`."""
    rated = [
        *_of_play(goal, state, tally),
        *_of_places(goal, state),
        *_of_danger(goal, state, tally),
        *_of_cards(goal, names),
    ]
    found = []
    for r in rated:
        if r.subgoal is None:
            continue
        failed = failures.get(r.subgoal.describe(), 0)
        utility = r.base + r.weight * r.asked + r.need - FAR * r.far_m - FAILED * failed
        parts = [r.why] if r.why else []
        parts += ["the goal asks for it"] if r.asked else []
        parts += [f"failed {failed} times in the last minute"] if failed else []
        again = r.need > 0.0 or (r.asked and r.subgoal.kind is not _K.SURVIVE_UNTIL)
        found.append((utility, r.subgoal, ", ".join(parts), again))
    found.sort(key=lambda item: -item[0])
    return [Candidate(at + 1, *item) for at, item in enumerate((s, u, why, again) for u, s, why, again in found)]


def _subgoal(kind: SubgoalKind, **values: Any) -> Subgoal | None:
    """A subgoal made of a state's numbers; None where they are beyond the vocabulary, as a game may send any."""
    try:
        return Subgoal(kind, **values)
    except ValueError:
        return None


def _of_play(goal: Goal, state: GameState, tally: Tally) -> list[_Rated]:
    survive, level, kill = (goal.wish(k) for k in (_K.SURVIVE_UNTIL, _K.REACH_LEVEL, _K.KILL))
    until_s = survive.amount if survive is not None else 0.0
    soon_s = math.floor(tally.time_s) + 30.0
    asked_survive = survive is not None and not (until_s and tally.time_s >= until_s)
    asked_level = level is not None and tally.level < level.amount
    wanted_level = level.amount if level is not None and asked_level else tally.level + 1
    asked_kill = kill is not None and not (kill.amount and tally.kills >= kill.amount)
    survived, killed = f"{tally.time_s:.0f} s survived", f"{tally.kills} kills, {len(state.enemies)} enemies in sight"
    survival = _subgoal(_K.SURVIVE_UNTIL, amount=soon_s, within_s=60.0)
    found = [
        _Rated(survival, 0.3, asked_survive, 0.5, why=survived),
        _Rated(Subgoal(_K.KILL, amount=20.0), 0.25, asked_kill, why=killed),
    ]
    if state.run is not None:
        why = f"level {tally.level}"
        found.append(_Rated(Subgoal(_K.COLLECT, "xp", 1.0, within_s=45.0), 0.35, asked_level, why=why))
        reached = _subgoal(_K.REACH_LEVEL, amount=wanted_level, within_s=120.0)
        found.append(_Rated(reached, 0.2, asked_level, why=why))
    return found


def _of_places(goal: Goal, state: GameState) -> list[_Rated]:
    found = []
    health = state.health / max(state.max_health, 1.0)
    for what, base in (("shrine", 0.3), ("chest", 0.25)):
        away_m, asked = nearest_m(state, what), goal.wish(_K.OPEN, what) is not None
        if math.isfinite(away_m):
            found.append(_Rated(Subgoal(_K.OPEN, what), base, asked, far_m=away_m, why=f"a {what} {away_m:.0f} m away"))
        elif asked:
            why = f"no {what} in sight"
            found.append(_Rated(Subgoal(_K.OPEN, what, within_s=60.0), base, asked, far_m=UNSEEN_M, why=why))
    for what, amount in (("gold", 20.0), ("health", 10.0)):
        away_m = nearest_m(state, what)
        if math.isfinite(away_m):
            need = 2.0 * (1.0 - health) ** 2 if what == "health" else 0.0
            asked = goal.wish(_K.COLLECT, what) is not None
            why = f"{what} {away_m:.0f} m away, health {health * 100:.0f} %"
            found.append(_Rated(Subgoal(_K.COLLECT, what, amount), 0.1, asked, need=need, far_m=away_m, why=why))
    return found


def _of_danger(goal: Goal, state: GameState, tally: Tally) -> list[_Rated]:
    found = []
    health, elite = state.health / max(state.max_health, 1.0), nearest_enemy(state, elite=True)
    wish, level = goal.wish(_K.BOSS), goal.wish(_K.REACH_LEVEL)
    ready = level is None or tally.level >= level.amount
    away_m = nearest_m(state, "portal")
    if elite is not None:
        distance_m = math.dist((state.position[0], state.position[2]), elite)
        why = f"an elite {distance_m:.0f} m away, health {health * 100:.0f} %"
        found.append(_Rated(Subgoal(_K.BOSS, within_s=60.0), 0.1, wish is not None and ready, 1.2, why=why))
        if distance_m < NEAR_M:
            area = _subgoal(_K.AVOID, place=(round(elite[0], 1), round(elite[1], 1)), radius_m=AREA_M, within_s=6.0)
            found.append(_Rated(area, 0.0, need=1.8 * (1.0 - health) if health < LOW_HEALTH else 0.0, why=why))
    elif math.isfinite(away_m):
        why = f"the portal {away_m:.0f} m away, level {tally.level}"
        asked = wish is not None and ready
        found.append(_Rated(Subgoal(_K.BOSS, within_s=120.0), 0.0, asked, 1.2, why=why))  # he comes at the portal
        found.append(_Rated(Subgoal(_K.REACH, "portal", 3.0, within_s=60.0), 0.0, why=why))
    elif wish is not None and ready:
        why = f"no boss and no portal in sight, level {tally.level}"
        found.append(_Rated(Subgoal(_K.BOSS, within_s=120.0), 0.0, True, 1.2, far_m=UNSEEN_M, why=why))
    return found


def _of_cards(goal: Goal, names: tuple[str, ...]) -> list[_Rated]:
    """Cards by kind and by name: the chooser's own where the goal asks for none."""
    asked = [w.what for w in goal.wishes if w.kind is _K.PICK_CARD]
    whats = dict.fromkeys([*asked, *CARD_KINDS, *(n for n in names[-MAX_NAMES:] if is_card_name(n))])
    return [_Rated(Subgoal(_K.PICK_CARD, w, within_s=120.0), 0.0, w in asked, 1.0) for w in whats]
