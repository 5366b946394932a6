"""The nearest known name, or nothing."""

from __future__ import annotations

from agent.core.suggest import did_you_mean


def test_the_nearest_name_is_suggested_and_a_far_one_is_not() -> None:
    known = ("random", "kiter", "pilot")
    assert did_you_mean("kitr", known) == "; did you mean kiter?"
    assert did_you_mean("xyzzy", known) == "" and did_you_mean("kiter", ()) == ""
