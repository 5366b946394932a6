"""The bench of reasons: sentences whose numbers the packets show, and changes that nobody told of."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.goals.states import state
from tools.bench.planner.reasons import Change, Event, Read, figures, is_logged, values_of


def recording(events: list[Event], changes: list[Change]) -> Read:
    """300 s of packets, four a second: level 1 + t/60, 100 − t/4 health, t kills."""
    at = np.arange(0.0, 300.0, 0.25)
    rows = [values_of(state(level=1 + int(t // 60), kills=int(t), health=100.0 - t / 4, game_time_s=t)) for t in at]
    return Read(events, changes, [1000.0 + t for t in at], np.array(rows))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("kill(20) is done: 20 of 20 kills after 9.1 s; at level 1, 40.0 s, health 90 of 100", True),
        ("kill(20) is done: 20 of 20 kills after 9.1 s; at level 1, 43.0 s, health 90 of 100", False),
        ("kill(20) is done: 20 of 20 kills after 9.1 s; at level 2, 40.0 s, health 90 of 100", False),
        ("kill(20) is done: 20 of 20 kills after 9.1 s", False),
        ("kill(20) has the highest utility, 0.25: 40 kills, 0 enemies in sight", True),
        ("kill(20) has the highest utility, 0.25: 40 kills, 7 enemies in sight", False),
        ("open(chest, 1) has the highest utility, 1.00: a chest 9 m away", False),
        ("level 2 was reached; collect(xp, 1) has the highest utility, 1.15: level 1", True),
    ],
)
def test_a_sentence_counts_where_the_packets_of_its_time_show_all_that_it_says(text: str, good: bool) -> None:
    assert is_logged(text, 1040.0, recording([], [])) is good


@pytest.mark.parametrize(
    ("event", "good"),
    [
        (Event(1110.1, "subgoal_done", "kill(20) is done; at level 2, 110.0 s, health 72 of 100", {}), True),
        (Event(1110.1, "subgoal_done", "kill(20) is done", {}), False),
        (Event(1117.0, "subgoal_done", "kill(20) is done; at level 2, 117.0 s, health 71 of 100", {}), False),
        (Event(1110.1, "owner", "at level 2, 110.0 s, health 72 of 100", {"owner": "motor"}), False),
    ],
)
def test_a_change_without_its_sentence_is_counted(event: Event, good: bool) -> None:
    change = Change(1110.2, "subgoal", ("subgoal", "subgoal_done"))
    found = figures(recording([event], [change]))
    assert (found["share"]["with_numbers"], found["passed"]) == (1.0 if good else 0.0, good)
    assert len(found["without"]) == (0 if good else 1) and found["control"] == 0


def test_a_change_of_owner_needs_its_own_owner_and_a_plan_its_number() -> None:
    events = [
        Event(1100.0, "owner", "safety acts after motor: level 2, 100.0 s, health 75 of 100", {"owner": "safety"}),
        Event(1100.0, "plan", "a run began; at level 2, 100.0 s, health 75 of 100", {"number": 3}),
    ]
    changes = [
        Change(1100.0, "owner", ("owner",), "motor"), Change(1100.0, "owner", ("owner",), "safety"),
        Change(1100.0, "plan", ("plan",), number=2), Change(1100.0, "plan", ("plan",), number=3),
    ]  # fmt: skip
    found = figures(recording(events, changes))
    assert {key: row["with_numbers"] for key, row in found["by_change"].items()} == {"owner": 1, "plan": 1}
    assert found["changes"] == 4 and not found["passed"]
