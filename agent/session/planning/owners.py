"""Who owns each game's actions, as events: every change with one sentence of reason, made of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from agent.control.arbiter import NOBODY, SAFETY, Verdict
from agent.control.cards.chooser import MOTOR
from agent.control.cards.planned import PLANNER
from agent.core.goals.progress import situation
from agent.core.types import HUMAN, Observation
from agent.session.planning.menus import NAVIGATOR

QUIET_S: Final = 1.0
"""Safety comes and goes within ticks: of its changes one a second is told, with the number of the others."""


class _Told(msgspec.Struct):
    """What was told of one game's safety: when, and how many changes were not."""

    at_s: float = float("-inf")
    untold: int = 0


class Owners:
    """Tells of every change of owner, and counts the seconds of each."""

    def __init__(self, names: tuple[str, ...], say: Callable[[str, str, dict[str, Any]], None]) -> None:
        self._names, self._say = names, say
        self._told = [_Told() for _ in names]
        self._seconds: list[dict[str, float]] = [{} for _ in names]
        self._since: list[tuple[str, float] | None] = [None for _ in names]

    def seconds(self, game: int, now_s: float) -> dict[str, float]:
        """How long each owner has acted in a game, until now, seconds."""
        found, since = dict(self._seconds[game]), self._since[game]
        if since is not None:
            found[since[0]] = found.get(since[0], 0.0) + max(0.0, now_s - since[1])
        return found

    def _count(self, game: int, owner: str, now_s: float) -> None:
        self._seconds[game] = self.seconds(game, now_s)
        self._since[game] = owner, now_s

    def changed(self, observation: Observation, before: str, verdict: Verdict) -> None:
        """The owner of a game's actions is another than for the action before."""
        told, now_s = self._told[observation.game], observation.received_at_s
        self._count(observation.game, verdict.owner, now_s)
        more = ""
        if SAFETY in (before, verdict.owner):
            if now_s - told.at_s < QUIET_S:
                told.untold += 1
                return
            more = f", {told.untold} changes before it were not told" if told.untold else ""
            told.at_s, told.untold = now_s, 0
        text = f"{verdict.owner} acts after {before}: {_why(observation, before, verdict)}{more}"
        game = observation.game
        self._say("owner", text, {"game": game, "name": self._names[game], "before": before, "owner": verdict.owner})


def _why(observation: Observation, before: str, verdict: Verdict) -> str:
    state = observation.state
    now = situation(state)
    if verdict.reason:
        return f"{verdict.reason}; {now}"
    if verdict.owner == HUMAN:
        return f"a person plays at {now}"
    if verdict.owner == NOBODY:
        return f"an action was refused ({verdict.refused}) at {now}"
    if verdict.owner == PLANNER:
        return f"the plan's card of {len(state.level_up_options)} is picked in {state.current_menu} at {now}"
    if verdict.owner == NAVIGATOR:
        return f"the menu {state.current_menu or 'of the picture'} is gone through at {now}"
    if verdict.owner == MOTOR:
        return f"nobody before it wants the action at {now}"
    return f"its card of {len(state.level_up_options)} is picked in {state.current_menu} at {now}"
