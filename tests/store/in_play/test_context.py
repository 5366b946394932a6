"""What holds in a game: weapons from the cards that were taken, who plays, and the subgoal's metric."""

from __future__ import annotations

import msgspec
import pytest

from agent.control.arrays import STILL
from agent.core.goals.progress import Tally, begin, judge
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.core.types import Menu, Observation
from agent.planning.goal import parse_goal
from agent.store.in_play.context import SkillContext, asked_by, metric_of
from tests.core.goals.states import state

OFFER = ("Bow: damage 9 > 11", "Damage Tome (new): +8 %")


def _seen(context: SkillContext, menu: str = "", captions: tuple[str, ...] = (), *, first: bool = False) -> Observation:
    shown = msgspec.structs.replace(STILL, current_menu=menu, level_up_options=captions, game_time_s=12.5)
    found = Observation(0, shown, None, 0, 1 / 60, 0.0, 0.0, first, False, False)
    context.seen(found)
    return found


def test_a_run_begins_with_its_characters_weapon_and_cards_add_to_it() -> None:
    context = SkillContext(1, character="Fox", weapons=("Firestaff",))
    _seen(context, first=True)
    assert context.triggers(0) == {
        "weapon:firestaff": "Firestaff is what Fox begins with", "character:fox": "Fox plays"
    }  # fmt: skip
    context.answered(_seen(context, Menu.LEVEL_UP, OFFER), 0)
    assert "weapon:bow" not in context.triggers(0), "the menu is still open"
    _seen(context)
    assert context.triggers(0)["weapon:bow"] == "'Bow: damage 9 > 11' was taken at 12.5 s, card 1"
    _seen(context, first=True)
    assert "weapon:bow" not in context.triggers(0)


def test_the_last_of_several_choices_in_a_menu_counts() -> None:
    context = SkillContext(1)
    for card in (0, 1):
        context.answered(_seen(context, Menu.LEVEL_UP, OFFER), card)
    _seen(context)
    assert context.triggers(0).keys() == {"weapon:damage tome"}
    context.answered(_seen(context, Menu.CHEST, OFFER), 0)
    _seen(context)
    assert len(context.triggers(0)) == 1, "a chest gives an item"


@pytest.mark.parametrize(
    ("kind", "what", "metric"),
    [
        (SubgoalKind.OPEN, "chest", "chests"), (SubgoalKind.OPEN, "shrine", "shrines"),
        (SubgoalKind.COLLECT, "gold", "gold"), (SubgoalKind.BOSS, "", "bosses"), (SubgoalKind.COLLECT, "health", ""),
        (SubgoalKind.PICK_CARD, "weapon", ""),
    ],
)  # fmt: skip
def test_subgoals_have_metrics(kind: SubgoalKind, what: str, metric: str) -> None:
    assert metric_of(kind, what) == metric
    context, tally = SkillContext(1), Tally()
    pursuit = begin(Subgoal(kind, what), tally, state(), 0.0)
    context.pursue(0, pursuit, judge(pursuit, tally, state(), 1.0))
    found = context.triggers(0)
    assert set(found) == ({f"metric:{metric}"} if metric else set())
    assert not metric or "is pursued: " in found[f"metric:{metric}"]


def test_what_the_goal_names_is_asked_for() -> None:
    assert {"weapon:bow", "metric:chests"} <= asked_by(parse_goal("take the bow and open chests"))
    assert asked_by(None) == set()
