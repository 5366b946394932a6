"""The bench of a planner's faults: what it calls a missed tick, and what it reads out of `/status`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.bench.planner import faults
from tools.bench.planner.faults import judged, kept_round, missed, row_of, totals


def status(age_s: float, made_by: str, state: str = "closed", **llm: Any) -> dict[str, Any]:
    """What `/status` says of a planner; breaker: opened, closed and seconds that it is open for."""
    opened, closed, open_for_s = llm.pop("breaker", (0, 0, 0.0))
    breaker = {"state": state, "opened": opened, "closed": closed, "open_for_s": open_for_s}
    plan = {"made_by": made_by, "age_s": age_s, "expires_in_s": 15.0 - age_s}
    return {"planner": {"games": [{"plan": plan}], "llm": {"asked": 3, "faults": {}, "breaker": breaker, **llm}}}


def rounds(**changes: Any) -> list[dict[str, Any]]:
    """A fault from 10 to 60 s: the breaker opens at 25 and again at 57 s, and closes at 89 s."""
    silent = {"faults": {"silent": 3}, "last_fault": {"fault": "silent"}}
    return [
        row_of(status(2.0, "ollama:tiny"), 9.0),
        row_of(status(1.0, "builtin", "closed"), 18.0),
        row_of(status(5.0, "builtin", "open", breaker=(1, 0, 27.0), asked=6, **silent), 28.0),
        row_of(status(5.0, "builtin", "open", breaker=(1, 0, 2.0), asked=6, **silent), 53.0),
        row_of(status(5.0, "builtin", "open", breaker=(2, 0, 26.0), **{"asked": 7, **silent, **changes}), 61.0),
        row_of(status(1.0, "ollama:tiny", breaker=(2, 1, 0.0), asked=8, **silent), 89.0),
    ]


def test_the_status_says_who_took_over_and_when_the_breaker_opened_and_closed() -> None:
    found = judged("hang", rounds(), 10.0, 60.0)
    assert (found["took_over_s"], found["without_plan"], found["opened"]) == (7.0, 0, 2)
    assert (found["opened_after_s"], found["closed_after_s"], found["asked_while_open"]) == (15.0, 32.0, 0)
    assert found["named"] == ["silent"] and found["is_named"] and found["last_is_named"]


@pytest.mark.parametrize(
    ("mode", "changes", "key", "value"),
    [
        ("error", {}, "is_named", False),
        ("hang", {"last_fault": {"fault": "child"}}, "last_is_named", False),
        ("hang", {"faults": {"silent": 3, "child": 1}}, "is_named", False),
    ],
)
def test_a_fault_of_another_name_is_not_named(mode: str, changes: dict[str, Any], key: str, value: bool) -> None:
    assert judged(mode, rounds(**changes), 10.0, 60.0)[key] is value


def test_what_did_not_happen_is_none_and_stays_so_in_the_totals() -> None:
    still = [row_of(status(2.0, "ollama:tiny"), at_s) for at_s in (9.0, 30.0, 61.0)]
    found = judged("hang", still, 10.0, 60.0)
    assert (found["took_over_s"], found["closed_after_s"], found["is_named"]) == (None, None, False)
    fault = {
        "rounds": 2, "extra_missed": 4, "p99_difference_ms": {"value": 0.1, "high": 0.2}, "took_over_s": None,
        "p50_difference_ms": {"value": 0.0}, "missed_off": 4, "packets": 240,
        "each": [{"with": {"missed": 5}, "off": {"missed": 3}}, {"with": {"missed": 3}, "off": {"missed": 1}}],
        "without_plan": 0, "opened_least": 0, "asked_while_open": 0, "closed_after_s": {"most": None}, "named_in": 0,
        "load_most": 1.0,
    }  # fmt: skip
    all_of_them = totals({"hang": fault, "drip": {**fault, "took_over_s": 3.0}})
    assert all_of_them["took_over_most_s"] is None
    assert all_of_them["extra_missed_in_a_round"] == {"value": 2.0, "low": 2.0, "high": 2.0}


def test_a_question_while_the_breaker_is_open_is_counted() -> None:
    rows = rounds()
    rows[3]["asked"] = 8
    assert judged("hang", rows, 10.0, 60.0)["asked_while_open"] == 2


def test_a_tick_is_missed_without_an_answer_or_with_one_after_its_period() -> None:
    seen = {"sent_each": [0.0, 1.0, 2.0, 3.0, 4.0], "each": [(0.0, 99.0), (1.0, 2.0), (2.0, 17.0), (4.0, 99.0)]}
    assert missed(seen, 1.0, 4.0) == {"packets": 3, "missed": 2}


def test_a_round_that_is_kept_is_not_played_again_unless_the_sources_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[tuple[tuple[str, ...], int]] = []

    def one_round(modes: Sequence[str], fault_s: float, seed: int, first: bool) -> Any:
        played.append((tuple(modes), seed))
        return {m: ({"took_over_s": 1.5 + seed}, [[np.array([1.0, 2.0]), np.array([3.0])]]) for m in modes}

    monkeypatch.setattr(faults, "one_round", one_round)
    first = kept_round(tmp_path, ["hang"], 60.0, 0, False)
    again = kept_round(tmp_path, ["hang"], 60.0, 0, False)
    assert played == [(("hang",), 0)] and again["hang"][0] == first["hang"][0] == {"took_over_s": 1.5}
    assert [side.tolist() for side in again["hang"][1][0]] == [[1.0, 2.0], [3.0]]
    assert set(kept_round(tmp_path, ["hang", "drip"], 60.0, 0, False)) == {"hang", "drip"}
    kept_round(tmp_path, ["hang"], 60.0, 0, True)
    monkeypatch.setattr(faults, "fingerprint", lambda paths: "others")
    kept_round(tmp_path, ["hang"], 60.0, 0, False)
    assert played[1:] == [(("drip",), 0), (("hang",), 0), (("hang",), 0)]
