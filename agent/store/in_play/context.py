"""What skills answer to in each game: weapons that are carried, who plays, and the subgoal that is pursued.

Fed by the steps of play and by the planner; owns no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from agent.core.goals.progress import Judged, Pursuit
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.core.types import Menu, Observation
from agent.planning.cards import name_of
from agent.planning.goal import Goal

_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)
_OF_SUBGOALS: Final = {
    (SubgoalKind.OPEN, "chest"): "chests",
    (SubgoalKind.OPEN, "shrine"): "shrines",
    (SubgoalKind.COLLECT, "gold"): "gold",
    (SubgoalKind.COLLECT, "xp"): "levels",
    (SubgoalKind.REACH_LEVEL, ""): "levels",
    (SubgoalKind.BOSS, ""): "bosses",
    (SubgoalKind.KILL, ""): "kills",
    (SubgoalKind.AVOID, ""): "unhurt",
}
"""The metric that a subgoal is pursued by."""


def metric_of(kind: SubgoalKind, what: str) -> str:
    """The metric of a skill that serves subgoals of a kind, "" for none."""
    return _OF_SUBGOALS.get((kind, what), "")


class GameContext(msgspec.Struct):
    """One game: triggers that hold now, with a sentence of why for each. changes: how often any of it changed."""

    changes: int = 0
    carried: dict[str, str] = {}
    subgoal: Subgoal | None = None
    reason: str = ""
    captions: tuple[str, ...] = ()
    card: int = -1


class SkillContext:
    """The games of a session. character, weapons: who begins a run and with what, where that is known."""

    def __init__(self, games: int, character: str = "", weapons: Sequence[str] = ()) -> None:
        self._character, self._weapons = character, tuple(weapons)
        self.games = [GameContext() for _ in range(games)]
        for game in range(games):
            self._begin(game)

    def _begin(self, game: int) -> None:
        begun = {
            f"weapon:{w.lower()}": f"{w} is what {self._character or 'the run'} begins with" for w in self._weapons
        }
        self.games[game].carried = begun
        self.games[game].changes += 1
        self.games[game].captions, self.games[game].card = (), -1

    def pursue(self, game: int, pursuit: Pursuit | None, judged: Judged | None) -> None:
        """What the planner pursues in a game; called on the loop, again and again."""
        context = self.games[game]
        subgoal = pursuit.subgoal if pursuit is not None else None
        context.changes += subgoal != context.subgoal
        context.subgoal = subgoal
        context.reason = judged.reason if judged is not None else ""

    def seen(self, observation: Observation) -> None:
        """An observation, before it is answered: a new run, or a card menu that closed."""
        game = self.games[observation.game]
        if observation.is_first:
            self._begin(observation.game)
        menu = observation.state.current_menu
        if menu in _MENUS:
            return
        if 0 <= game.card < len(game.captions) and not observation.by_human:
            caption = game.captions[game.card]
            name = name_of(caption)
            if name:
                at = f"{observation.state.game_time_s:.1f} s"
                game.carried.setdefault(f"weapon:{name}", f"{caption!r} was taken at {at}, card {game.card + 1}")
                game.changes += 1
        game.captions, game.card = (), -1

    def answered(self, observation: Observation, card: int) -> None:
        """The card that is being picked after an observation was answered, −1 for none."""
        if observation.state.current_menu in _MENUS and card >= 0:
            game = self.games[observation.game]
            game.captions, game.card = observation.state.level_up_options, card

    def triggers(self, game: int) -> dict[str, str]:
        """What holds in a game, in lower case, each with its reason."""
        context = self.games[game]
        found = dict(context.carried)
        if self._character:
            found[f"character:{self._character.lower()}"] = f"{self._character} plays"
        metric = metric_of(context.subgoal.kind, context.subgoal.what) if context.subgoal is not None else ""
        if metric and context.subgoal is not None:
            because = f": {context.reason}" if context.reason else ""
            found[f"metric:{metric}"] = f"{context.subgoal.describe()} is pursued{because}"
        return found


def asked_by(goal: Goal | None) -> set[str]:
    """Triggers that a goal itself names: for these a skill may lower the score."""
    wishes = goal.wishes if goal is not None else ()
    cards = {f"weapon:{w.what}" for w in wishes if w.kind is SubgoalKind.PICK_CARD}
    return cards | {f"metric:{metric}" for w in wishes if (metric := metric_of(w.kind, w.what))}
