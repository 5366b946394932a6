"""The builtin planner ranks by numbers: what the goal asks for, what the state needs, what failed before."""

from __future__ import annotations

from typing import Any

from agent.core.goals.progress import Tally
from agent.core.goals.vocabulary import KINDS
from agent.planning.goal import parse_goal
from agent.planning.utility import candidates
from tests.core.goals.states import state

SHRINE, CHEST, HEALTH, PORTAL = (5, 0.0, 10.0), (4, 5.0, 0.0), (3, 2.0, 0.0), (6, 30.0, 0.0)


def _best(goal: str, failures: dict[str, int] | None = None, level: int = 1, **what: Any) -> str:
    found = candidates(parse_goal(goal), state(**what), Tally(time_s=30.0, level=level), (), failures or {})
    assert [c.id for c in found] == list(range(1, len(found) + 1))
    assert found == sorted(found, key=lambda c: -c.utility)
    return found[0].subgoal.describe()


def test_each_goal_has_its_own_first_subgoal_in_the_same_state() -> None:
    there = {"objects": (SHRINE, CHEST, (2, 3.0, 3.0)), "enemies": ((4.0, 4.0, False),)}
    first = {
        goal: _best(goal, **there)
        for goal in ("survive 5 min", "kill 50 enemies", "open 3 shrines", "open 1 chest", "collect 9 gold",
                     "reach level 9", "take tomes")
    }  # fmt: skip
    assert list(first.values()) == [
        "survive_until(60)", "kill(20)", "open(shrine, 1)", "open(chest, 1)", "collect(gold, 20)", "collect(xp, 1)",
        "pick_card(tome, 1)",
    ]  # fmt: skip


def test_numbers_beyond_the_vocabulary_leave_what_is_within_it() -> None:
    for time_s, level, at_m in ((1e9, 1, 0.0), (-90.0, 1, 0.0), (30.0, -7, 0.0), (30.0, 5000, 0.0), (30.0, 1, 2e4)):
        seen = state(position=(at_m, 0.0, 0.0), enemies=((at_m + 6.0, 0.0, True),), health=10.0)
        found = candidates(parse_goal("survive 5 min"), seen, Tally(time_s=time_s, level=level), (), {})
        assert [c.id for c in found] == list(range(1, len(found) + 1)) and "kill" in str(found)


def test_missing_health_goes_before_what_is_asked() -> None:
    assert _best("kill 50 enemies", objects=(HEALTH,), health=90.0) == "kill(20)"
    assert _best("kill 50 enemies", objects=(HEALTH,), health=20.0) == "collect(health, 10)"


def test_beside_an_elite_with_little_health_its_area_is_avoided() -> None:
    elite = {"enemies": ((6.0, 0.0, True),)}
    assert _best("reach level 9", health=10.0, **elite) == "avoid(6, 0, 12 m)"
    assert _best("reach level 9", health=90.0, **elite) == "collect(xp, 1)"


def test_a_boss_waits_for_the_level_and_then_for_its_portal() -> None:
    goal = "reach level 5, then beat the boss"
    assert _best(goal, level=4, objects=(PORTAL,)) == "collect(xp, 1)"
    assert _best(goal, level=5, objects=(PORTAL,)) == "boss(1)"
    assert _best(goal, level=5, enemies=((9.0, 0.0, True),)) == "boss(1)"


def test_what_the_goal_asks_for_and_is_not_in_sight_is_looked_for() -> None:
    assert _best("reach level 5, then beat the boss", level=5) == "boss(1)"
    assert _best("open shrines") == "open(shrine, 1)"
    assert not any(
        c.subgoal.kind in ("boss", "open") for c in candidates(parse_goal("survive"), state(), Tally(), (), {})
    )


def test_what_failed_goes_back_and_far_counts() -> None:
    near, far = (5, 0.0, 5.0), (4, 0.0, 20.0)
    assert _best("open shrines, open chests", objects=(near, far)) == "open(shrine, 1)"
    assert _best("open shrines, open chests", {"open(shrine, 1)": 4}, objects=(near, far)) == "open(chest, 1)"


def test_every_kind_can_come_up_and_every_asked_card() -> None:
    seen = state(objects=(SHRINE, CHEST, HEALTH), enemies=((6.0, 0.0, True),))
    found = candidates(parse_goal("take the bow"), seen, Tally(), ("axe", "<b>"), {})
    found += candidates(parse_goal("take the bow"), state(objects=(PORTAL,)), Tally(), (), {})
    said = {c.subgoal.describe() for c in found}
    assert {c.subgoal.kind for c in found} == set(KINDS) and {"pick_card(bow, 1)", "pick_card(axe, 1)"} <= said
