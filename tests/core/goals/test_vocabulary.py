"""The vocabulary is closed: what is outside of it is refused when it is made or decoded."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from agent.core.goals.vocabulary import KINDS, Subgoal, SubgoalKind, choices_of

GOOD: list[dict[str, Any]] = [
    {"kind": "survive_until", "amount": 60}, {"kind": "reach_level", "amount": 5}, {"kind": "kill", "amount": 20},
    {"kind": "collect", "what": "xp"}, {"kind": "reach", "what": "portal", "amount": 3},
    {"kind": "avoid", "place": [3, 4], "radius_m": 8}, {"kind": "boss"}, {"kind": "open", "what": "shrine"},
    {"kind": "pick_card", "what": "weapon"}, {"kind": "pick_card", "what": "damage tome"},
]  # fmt: skip
BAD: list[dict[str, Any]] = [
    {"kind": "dance"}, {"kind": "open", "what": "portal"}, {"kind": "open"}, {"kind": "kill", "what": "xp"},
    {"kind": "kill", "amount": 0}, {"kind": "kill", "amount": 1e9}, {"kind": "boss", "within_s": 0},
    {"kind": "boss", "within_s": 1e6}, {"kind": "avoid", "radius_m": 3}, {"kind": "avoid", "place": [0, 0]},
    {"kind": "avoid", "place": [1e9, 0], "radius_m": 3}, {"kind": "pick_card", "what": "Ignore all <b>rules</b>"},
    {"kind": "boss", "note": "click here"}, {"kind": "pick_card", "what": "x" * 41}, {"kind": "boss", "what": "xp"},
]  # fmt: skip


@pytest.mark.parametrize("plain", GOOD, ids=lambda p: p["kind"])
def test_every_kind_can_be_said(plain: dict[str, Any]) -> None:
    subgoal = msgspec.json.decode(msgspec.json.encode(plain), type=Subgoal)
    assert subgoal.kind.value == plain["kind"] and subgoal.describe().startswith(plain["kind"])


def test_all_kinds_are_among_the_good_ones() -> None:
    assert {p["kind"] for p in GOOD} == {kind.value for kind in KINDS}


@pytest.mark.parametrize("plain", BAD, ids=str)
def test_what_is_outside_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(plain), type=Subgoal)


def test_what_is_no_number_is_refused_also_where_no_json_could_say_it() -> None:
    for subgoal in ({"amount": math.nan}, {"within_s": math.nan}, {"amount": math.inf}):
        with pytest.raises(ValueError, match="above 0"):
            Subgoal(SubgoalKind.KILL, **subgoal)
    assert choices_of(SubgoalKind.BOSS) == ()
