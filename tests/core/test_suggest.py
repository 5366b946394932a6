"""The nearest known name, or nothing."""

from __future__ import annotations

from agent.core.suggest import did_you_mean, nearest


def test_the_nearest_name_is_suggested_and_a_far_one_is_not() -> None:
    known = ("random", "kiter", "pilot")
    assert did_you_mean("kitr", known) == "; did you mean kiter?"
    assert did_you_mean("xyzzy", known) == "" and did_you_mean("kiter", ()) == ""


def test_a_name_that_has_every_word_goes_before_one_that_is_spelled_alike() -> None:
    known = ("--report", "--http-port", "--no-http", "--seed", "--policy")
    assert nearest("--port", known) == "--http-port" and nearest("--prot", known) == "--report"
    assert nearest("--Seed", known) == "--seed" and nearest("--sed", known) == "--seed"
    assert nearest("METABONK_PORT", ("METABONK_HTTP_PORT", "METABONK_PROT")) == "METABONK_HTTP_PORT"
    assert nearest("", known) == "" and nearest("--", known) == "" and nearest("--zzzz", known) == ""
