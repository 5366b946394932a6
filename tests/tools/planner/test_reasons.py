"""The bench of reasons: sentences whose numbers the packets show, and changes that nobody told of."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.goals.states import state
from tools.bench.planner.reasons import Change, Event, Read, figures, traced, values_of


def recording(events: list[Event], changes: list[Change]) -> Read:
    """300 s of packets, four a second: level 1 + t/60, 100 − t/4 health, t kills."""
    at = np.arange(0.0, 300.0, 0.25)
    rows = [values_of(state(level=1 + int(t // 60), kills=int(t), health=100.0 - t / 4, game_time_s=t)) for t in at]
    return Read(events, changes, [1000.0 + t for t in at], np.array(rows))


def test_a_sentence_counts_where_the_packets_of_its_time_show_its_numbers() -> None:
    found = recording([], [])
    assert traced("it is done: 40 of 50 kills after 9.1 s", 1040.0, found) == 1
    assert traced("health 90 of 100; kill(40) is next", 1040.0, found) == 2, "a subgoal's own number is none"
    assert traced("health 90 of 100", 1240.0, found) == 1 and traced("77 kills", 1040.0, found) == 0
    assert traced("41.4 s survived", 1040.0, found) == 0 and traced("40.2 s survived", 1040.0, found) == 1


@pytest.mark.parametrize(
    ("event", "good"),
    [
        (Event(1110.1, "subgoal_done", "kill(20) is done: 110 of 90 kills", {}), True),
        (Event(1110.1, "subgoal_done", "kill(20) is done", {}), False),
        (Event(1117.0, "subgoal_done", "kill(20) is done: 117 of 90 kills", {}), False),
        (Event(1110.1, "owner", "110 kills", {"owner": "motor"}), False),
    ],
)
def test_a_change_without_its_sentence_is_counted(event: Event, good: bool) -> None:
    change = Change(1110.2, "subgoal", ("subgoal", "subgoal_done"))
    found = figures(recording([event], [change]))
    assert (found["share"]["with_numbers"], found["passed"]) == (1.0 if good else 0.0, good)
    assert len(found["without"]) == (0 if good else 1) and found["control"] == 0


def test_a_change_of_owner_needs_its_own_owner_and_a_plan_its_number() -> None:
    events = [
        Event(1100.0, "owner", "safety acts after motor: health 75 of 100", {"owner": "safety"}),
        Event(1100.0, "plan", "a run began; health 75 of 100", {"number": 3}),
    ]
    changes = [
        Change(1100.0, "owner", ("owner",), "motor"), Change(1100.0, "owner", ("owner",), "safety"),
        Change(1100.0, "plan", ("plan",), number=2), Change(1100.0, "plan", ("plan",), number=3),
    ]  # fmt: skip
    found = figures(recording(events, changes))
    assert {key: row["with_numbers"] for key, row in found["by_change"].items()} == {"owner": 1, "plan": 1}
    assert found["changes"] == 4 and not found["passed"]
