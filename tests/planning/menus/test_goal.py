"""A goal names what is on a screen by the same words, near ones, or their meaning in six languages."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.planning.menus.goal import CLEAR, asks_to_leave, embedded_fits, fit, leads_on, menu_goal
from agent.planning.menus.words import LANGUAGES, Refused
from tools.bench.menus.pairs import chosen, pairs

GOAL = menu_goal("Start Tier 3 run with Calcium")


def test_without_words_the_goal_is_to_get_into_play() -> None:
    goal = menu_goal("  ")
    assert goal.starts_run and not goal.is_asked and goal.wants() == frozenset() and GOAL.is_asked and GOAL.starts_run
    assert {GOAL.words[i] for i in GOAL.wants()} == {"tier", "3", "calcium"}
    assert not menu_goal("open the settings").starts_run and menu_goal("back to the title screen").title


@pytest.mark.parametrize(
    ("text", "names"),
    [("TIER 3", {"tier", "3"}), ("CALCIUM", {"calcium"}), ("Calciurn", {"calcium"}), ("CaIcium", {"calcium"})],
)
def test_a_text_that_the_goal_names_fits_clearly_also_misread(text: str, names: set[str]) -> None:
    found = fit(GOAL, text)
    assert found.score >= CLEAR and {GOAL.words[i] for i in found.names} == names


@pytest.mark.parametrize("text", ["TIER 2", "TIER 13", "Fox", "CONFIRM", "with", "Calendar", ""])
def test_a_text_that_it_does_not_name_does_not(text: str) -> None:
    assert fit(GOAL, text).score < CLEAR


def test_what_leads_on_depends_on_whether_something_must_be_chosen_first() -> None:
    assert leads_on("PLAY") > leads_on("Something") > leads_on("Credits")
    assert leads_on("RESTART") > leads_on("MENU") and leads_on("RESTART", out=True) < leads_on("MENU", out=True)


def test_of_100_pairs_in_six_languages_at_least_85_are_right_without_embeddings() -> None:
    table = pairs()
    assert len(table) == 100 and {p.language for p in table} == set(LANGUAGES)
    assert all(p.right in p.buttons for p in table)
    assert sum(chosen(p, {}) == p.right for p in table) >= 85


def test_a_goal_that_is_refused_is_known_and_one_that_cannot_be_is_an_error() -> None:
    assert asks_to_leave(menu_goal("quit the game"), Refused()) == "quit" and asks_to_leave(GOAL, Refused()) == ""
    for bad in ("x" * 201, "a\x00b", "!!!"):
        with pytest.raises(SettingsError, match="METABONK_MENU_GOAL"):
            menu_goal(bad)


def test_embeddings_count_from_a_cosine_on_and_never_more_than_the_meaning() -> None:
    goal = np.array([1.0, 0.0], np.float32)
    texts = np.array([[1.0, 0.0], [0.8, 0.6], [0.86, 0.51], [0.0, 1.0]], np.float32)
    same, none, half, far = embedded_fits(goal, texts)
    assert same == pytest.approx(0.8) and none == pytest.approx(0.0, abs=1e-6) and 0.3 < half < 0.5 and far == 0.0
