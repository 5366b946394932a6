"""Every change of owner is an event with a sentence of numbers; safety's flicker is one a second."""

from __future__ import annotations

from typing import Any

import pytest

from agent.control.arbiter import SAFETY, Verdict
from agent.core.types import HUMAN, NEUTRAL, Observation
from agent.session.planning.owners import Owners
from tests.core.goals.states import state


def _told(*changes: tuple[float, str, Verdict]) -> list[str]:
    said: list[str] = []

    def say(kind: str, text: str, payload: dict[str, Any]) -> None:
        assert kind == "owner" and payload["name"] == "arena"
        said.append(text)

    owners = Owners(("arena",), say)
    for at_s, before, verdict in changes:
        menu = {"current_menu": "LevelUp", "level_up_options": ("a", "b")} if verdict.owner == "planner" else {}
        owners.changed(Observation(0, state(**menu), None, 1, 0.0, at_s, 0.0, False, False, False), before, verdict)
    return said


@pytest.mark.parametrize(
    ("verdict", "part"),
    [
        (Verdict(NEUTRAL, HUMAN), "a person plays at level 1, 10.0 s, health 80 of 100"),
        (Verdict(NEUTRAL, "nobody", "not_finite"), "refused (not_finite)"),
        (Verdict(NEUTRAL, "planner"), "the plan's card of 2 is picked in LevelUp"),
        (Verdict(NEUTRAL, "motor"), "nobody before it"),
        (Verdict(NEUTRAL, "active_inference"), "its card"),
        (Verdict(NEUTRAL, SAFETY, None, None, "edge: 0.5 m before"), "edge: 0.5 m before"),
    ],
)
def test_a_change_says_who_acts_after_whom_and_why_in_numbers(verdict: Verdict, part: str) -> None:
    (text,) = _told((5.0, "motor", verdict))
    assert text.startswith(f"{verdict.owner} acts after motor: ") and part in text and "health 80 of 100" in text


def test_safety_that_flickers_is_told_once_a_second_with_the_number_of_the_others() -> None:
    on, off = Verdict(NEUTRAL, SAFETY, None, None, "edge: 1 m"), Verdict(NEUTRAL, "motor")
    flicker = [(5.0 + t / 60, "motor" if t % 2 == 0 else SAFETY, on if t % 2 == 0 else off) for t in range(40)]
    said = _told(*flicker, (6.5, "motor", on), (6.6, SAFETY, Verdict(NEUTRAL, HUMAN)))
    assert len(said) == 2 and "39 changes before it were not told" in said[1]
