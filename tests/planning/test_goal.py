"""Goals in words become wishes, and what is not understood is said."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.core.goals.vocabulary import SubgoalKind as K
from agent.planning.goal import Goal, Wish, parse_goal


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("Survive 20 minutes", [Wish(K.SURVIVE_UNTIL, "", 1200.0)]),
        ("survive for 90 s", [Wish(K.SURVIVE_UNTIL, "", 90.0)]),
        ("Stay alive", [Wish(K.SURVIVE_UNTIL)]),
        ("Reach level 10 with the bow", [Wish(K.REACH_LEVEL, "", 10.0), Wish(K.PICK_CARD, "bow")]),
        ("Beat the boss with Bow at level 5", [Wish(K.REACH_LEVEL, "", 5.0), Wish(K.BOSS), Wish(K.PICK_CARD, "bow")]),
        ("use shrines", [Wish(K.OPEN, "shrine")]),
        ("kill 300 enemies and open 2 chests", [Wish(K.KILL, "", 300.0), Wish(K.OPEN, "chest", 2.0)]),
        ("collect 50 gold", [Wish(K.COLLECT, "gold", 50.0)]),
        ("take damage cards", [Wish(K.PICK_CARD, "damage")]),
        ("prefer tomes", [Wish(K.PICK_CARD, "tome")]),
    ],
)  # fmt: skip
def test_a_goal_is_understood(text: str, wishes: list[Wish]) -> None:
    assert list(parse_goal(text).wishes) == wishes


def test_what_is_not_understood_is_said_and_bad_text_is_refused() -> None:
    goal = parse_goal("  Dance\nlike nobody watches ")
    assert goal == Goal("Dance like nobody watches", ()) and goal.status()["understood"] is False
    for text in ("", " ", "x" * 201, "a\x00b"):
        with pytest.raises(SettingsError, match="printable characters"):
            parse_goal(text)
    assert parse_goal("open 2 shrines").wish(K.OPEN, "chest") is None
