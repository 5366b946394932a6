"""Texts that look alike are one, and texts that differ in a number are not."""

from __future__ import annotations

import pytest

from agent.planning.screen.text import plain, skeleton, tokens, without_numbers


@pytest.mark.parametrize(
    ("a", "b"),
    [("Quit", "QU1T"), ("Quit", "Q U I T"), ("Delete", "D3LETE"), ("accept", "аccерt"), ("Login", "l0g1n"),
     ("Buy", "B​uy"),
     ("Löschen", "LOSCHEN"), ("Return", "Retum")],
)  # fmt: skip
def test_what_looks_alike_is_the_same(a: str, b: str) -> None:
    assert skeleton(a) == skeleton(b)


@pytest.mark.parametrize(
    ("a", "b"), [("Tier 1", "Tier 2"), ("Quit", "Quiet"), ("Mod", "Mode"), ("Level 1", "Level 11")]
)
def test_what_is_another_text_stays_another(a: str, b: str) -> None:
    assert skeleton(a) != skeleton(b)


def test_people_s_texts_have_no_case_accents_and_signs() -> None:
    assert plain("  Crédits!  & Über-uns ") == "credits uber uns" and tokens("TIER 3") == ("tier", "3")


def test_counters_make_no_other_screen() -> None:
    assert without_numbers("Kills 12") == without_numbers("kills 9034") != without_numbers("Gold 12")
