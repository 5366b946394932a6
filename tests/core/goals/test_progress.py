"""Subgoals end by what the states show, and say why in numbers."""

from __future__ import annotations

import pytest

from agent.core.goals.progress import Outcome, Tally, begin, judge
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.core.types import GameState
from tests.core.goals.states import state

K = SubgoalKind


def _outcome(subgoal: Subgoal, *states: GameState, at_s: float = 1.0, died: bool = False) -> tuple[Outcome, float, str]:
    """How a subgoal stands after these states, the first of which it began at."""
    tally = Tally()
    tally.add(states[0], is_first=True)
    pursuit = begin(subgoal, tally, states[0], 0.0)
    for one in states[1:]:
        tally.add(one, died=died)
    judged = judge(pursuit, tally, states[-1], at_s)
    return judged.outcome, judged.share, judged.reason


@pytest.mark.parametrize(
    ("subgoal", "before", "between", "after"),
    [
        (Subgoal(K.SURVIVE_UNTIL, amount=60.0), {}, {"game_time_s": 59.9}, {"game_time_s": 60.0}),
        (Subgoal(K.REACH_LEVEL, amount=3), {"level": 1}, {"level": 2}, {"level": 3}),
        (Subgoal(K.KILL, amount=5), {"kills": 7}, {"kills": 11}, {"kills": 12}),
        (Subgoal(K.COLLECT, "gold", 10), {"gold": 50}, {"gold": 59}, {"gold": 60}),
        (Subgoal(K.COLLECT, "xp", 0.5), {"xp": 0.7}, {"xp": 0.9}, {"level": 2, "xp": 0.3}),
        (Subgoal(K.COLLECT, "health", 10), {"health": 50.0}, {"health": 55.0}, {"health": 60.0}),
        (Subgoal(K.REACH, "shrine", 3), {}, {"objects": ((5, 0.0, 4.0), (4, 0.0, 1.0))}, {"objects": ((5, 0.0, 2.0),)}),
        (Subgoal(K.OPEN, "chest"), {}, {"current_menu": "LevelUp"}, {"current_menu": "Chest"}),
        (Subgoal(K.OPEN, "shrine"), {}, {"current_menu": "Chest"}, {"current_menu": "Encounter"}),
        (
            Subgoal(K.BOSS),
            {"enemies": ((1.0, 1.0, True), (2.0, 2.0, False))},
            {"enemies": ((1.0, 1.0, True),), "kills": 1},
            {"enemies": (), "kills": 2},
        ),
    ],
    ids=lambda v: v.describe() if isinstance(v, Subgoal) else "",
)  # fmt: skip
def test_it_is_done_when_its_number_is_there_and_not_before(
    subgoal: Subgoal, before: dict, between: dict, after: dict
) -> None:
    assert _outcome(subgoal, state(**before), state(**between))[0] is Outcome.RUNNING
    outcome, share, reason = _outcome(subgoal, state(**before), state(**between), state(**after))
    assert outcome is Outcome.DONE and share == 1.0 and any(c.isdigit() for c in reason)


def test_it_fails_when_its_time_is_up_or_the_run_ends() -> None:
    kill = Subgoal(K.KILL, amount=5, within_s=10.0)
    assert _outcome(kill, state(), state(kills=2), at_s=9.9)[:2] == (Outcome.RUNNING, 0.4)
    outcome, _, reason = _outcome(kill, state(), state(kills=2), at_s=10.0)
    assert outcome is Outcome.FAILED and "2 of 5 kills" in reason and "10 s were given" in reason
    assert _outcome(kill, state(), state(kills=9), died=True)[0] is Outcome.FAILED


def test_it_fails_with_its_run_also_where_that_was_won() -> None:
    tally = Tally()
    tally.add(state(kills=900), is_first=True)
    pursuit = begin(Subgoal(K.KILL, amount=5), tally, state(kills=900), 0.0)
    tally.add(state(kills=0), is_first=True)
    judged = judge(pursuit, tally, state(kills=0), 1.0)
    assert judged.outcome is Outcome.FAILED and "the run ended" in judged.reason


def test_a_picked_card_is_told() -> None:
    tally = Tally()
    pursuit = begin(Subgoal(K.PICK_CARD, "bow"), tally, state(), 0.0)
    assert judge(pursuit, tally, state(), 1.0).outcome is Outcome.RUNNING
    tally.picked += 1
    assert judge(pursuit, tally, state(), 1.0).outcome is Outcome.DONE


def test_an_area_is_avoided_until_the_time_is_up_and_failed_by_entering_it() -> None:
    avoid = Subgoal(K.AVOID, place=(0.0, 10.0), radius_m=5.0, within_s=20.0)
    assert _outcome(avoid, state(), at_s=5.0)[0] is Outcome.RUNNING
    assert _outcome(avoid, state(), state(position=(0.0, 0.0, 6.0)))[0] is Outcome.FAILED
    assert _outcome(avoid, state(), at_s=20.0)[0] is Outcome.DONE
    inside = state(position=(0.0, 0.0, 9.0))
    assert _outcome(avoid, inside)[0] is Outcome.RUNNING and _outcome(avoid, inside, at_s=20.0)[0] is Outcome.FAILED


def test_a_new_run_counts_anew_and_what_goes_without_a_kill_is_no_boss() -> None:
    tally = Tally()
    tally.add(state(kills=50, gold=90, enemies=((1.0, 1.0, True),)), is_first=True)
    tally.add(state(kills=50, gold=90))
    assert (tally.bosses, tally.gold) == (0, 0.0)
    tally.add(state(kills=0, gold=3), is_first=True)
    tally.add(state(kills=1, gold=5))
    assert (tally.kills, tally.gold, tally.bosses) == (1, 2.0, 0)
