"""What is refused is refused however it is written, and what only looks like it is not."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.planning.menus.words import Refused, check_allowed, concepts, is_waiting, small_words, table

REFUSED = Refused()


@pytest.mark.parametrize(
    ("text", "group"),
    [("Quit", "quit"), ("QU1T", "quit"), ("Q U I T", "quit"), ("Exit to Desktop", "quit"), ("Save & Quit", "quit"),
     ("QuitGame", "quit"), ("Beenden", "quit"), ("Quitter le jeu", "quit"), ("Salir", "quit"), ("Sair", "quit"),
     ("Esci", "quit"), ("退出游戏", "quit"), ("Delete save", "delete"), ("Löschen", "delete"), ("Supprimer", "delete"),
     ("Buy now", "buy"), ("Kaufen", "buy"), ("аccept", "accept"), ("Sign  in", "sign in"), ("www.example.com", "link"),
     ("Mods", "mod"), ("Report", "report"), ("Rep0rt", "report"), ("Reset progress", "reset"), ("De1ete", "delete"),
     ("Delite", "delete"), ("Trade", "trade"), ("Join us on Discord", "link")],
)  # fmt: skip
def test_refused_words_are_found_in_any_disguise(text: str, group: str) -> None:
    assert REFUSED.why(text) == group


@pytest.mark.parametrize(
    "text",
    ["Play", "Mode", "Game Mode", "Modern", "BANISH 2", "RESTART", "Confirm", "Continue", "Settings", "Back", "Shop",
     "TAKE", "LEAVE", "Calcium", "Sir Oofie", "Laden", "Load game", "Nouvelle partie", "Jugar", "Opzioni",
     "Quiet valley", ""],
)  # fmt: skip
def test_words_of_honest_buttons_are_not_refused(text: str) -> None:
    assert REFUSED.why(text) == ""


def test_each_refused_text_of_each_language_is_refused_by_its_own_table() -> None:
    missed = [(group, text) for group, texts in table().refused.items() for text in texts if not REFUSED.why(text)]
    assert not missed and sum(map(len, table().refused.values())) > 250


def test_a_group_or_a_text_can_be_allowed_by_name_and_nothing_else_is() -> None:
    assert Refused(check_allowed("quit")).why("Quit") == "" and Refused(check_allowed("quit")).why("Delete") == "delete"
    some = Refused(check_allowed("I agree, sign in"))
    assert some.why("I agree!") == some.why("Sign in") == ""
    assert some.why("I agree to all") == some.why("Accept") == "accept"
    with pytest.raises(SettingsError, match=r"METABONK_MENU_ALLOW='qiut': nothing refuses it.*quit"):
        check_allowed("qiut")
    assert check_allowed("") == frozenset()


def test_concepts_join_languages_and_small_words_name_nothing() -> None:
    assert "settings" in concepts()["einstellungen"] & concepts()["reglages"] & concepts()["ajustes"]
    assert "with" in small_words() and "mit" in small_words() and "tier" not in small_words()


def test_a_screen_that_says_that_it_loads_and_little_else_is_waited_for() -> None:
    assert is_waiting(["LOADING..."]) and is_waiting(["Lädt", "tip: run"]) and not is_waiting(["Play"])
    assert not is_waiting(["Loading", "Play", "Options", "Credits"])
