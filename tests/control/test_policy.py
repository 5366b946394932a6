"""What a policy says that it can do, and that nobody asks for its type instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.control.motor import Motor
from agent.control.policies import build_policy
from agent.control.policy import ONLY_PLAYS, Capabilities, capabilities_of, path_of, version_of
from agent.control.untrained import untrained_tensors

AGENT = Path(__file__).resolve().parents[2] / "agent"


def test_a_policy_that_says_nothing_only_plays() -> None:
    policy = build_policy("kiter")
    assert capabilities_of(policy) is ONLY_PLAYS
    assert version_of(policy) == 0 and path_of(policy) == {}


def test_a_pilot_says_all_that_it_can() -> None:
    pilot = Motor(untrained_tensors(0))
    can = capabilities_of(pilot)
    assert can.reloadable is can.learnable is can.chooses_cards is can.measured is can.rehearsing is pilot
    assert can.serving is None and not can.subgoals
    pilot.load(pilot.prepare(pilot.tensors, "a test"), 7)
    assert version_of(pilot) == 7 and path_of(pilot)["weights"] == "fp32"


def test_capabilities_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Capabilities().subgoals = True  # type: ignore[misc]


def test_nobody_asks_at_run_time_what_a_protocol_is() -> None:
    asking = [path for path in AGENT.rglob("*.py") if re.search(r"\bruntime_checkable\b", path.read_text("utf-8"))]
    assert asking == []
