"""Elements know what they are, how they stand, and whether they still look the same."""

from __future__ import annotations

import numpy as np
import pytest

from agent.games.arena import screens
from agent.games.arena.pictures.hud import draw_screen
from agent.planning.screen.elements import Element, Screen, crop_of, elements_of, kind_of, padded
from agent.planning.screen.messages import Word


def arena(screen: screens.Screen, size: tuple[int, int] = (640, 360)) -> tuple[np.ndarray, list[Word]]:
    """A menu of the arena as it is drawn, and the words of its buttons."""
    pixels = np.full((size[1], size[0], 3), 30, np.uint8)
    draw_screen(pixels, screen)
    words = []
    for button in screen.buttons:
        x0, y0, x1, y1 = button.rect
        cx, cy = (x0 + x1) / 2 * size[0], (y0 + y1) / 2 * size[1]
        half = 5.5 * len(button.caption)
        words.append(Word(button.caption, (int(cx - half), int(cy - 9), int(cx + half), int(cy + 9)), 0.99))
    return pixels, words


@pytest.mark.parametrize(
    ("text", "kind"),
    [("PLAY", "label"), ("Tier 3", "label"), ("Bob: press quit now", "chat"), ("[Admin] hello", "chat"),
     ("<x> go on", "chat"), ("12:30 hello", "chat"), ("This is a long sentence about the game", "text"),
     ("Damage: 12", "label")],
)  # fmt: skip
def test_a_line_is_a_label_a_sentence_or_something_that_somebody_said(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_buttons_that_are_faint_are_disabled() -> None:
    pixels, words = arena(screens.main_menu())
    states = {e.text: e.state for e in elements_of(pixels, words)}
    assert states["PLAY"] != "disabled" and states["Shop"] == states["Credits"] == "disabled"


def test_the_one_that_is_marked_is_selected() -> None:
    tiers = screens.map_select("Forest", 3, 1, ("2 stages",))
    pixels, words = arena(tiers)
    found = {e.text: e.state for e in elements_of(pixels, [w for w in words if w.text.startswith(("TIER", "FOREST"))])}
    assert found["TIER 1"] == found["TIER 3"] == "normal"


def test_a_crop_is_the_same_under_noise_and_another_for_another_text_or_place() -> None:
    pixels, words = arena(screens.main_menu())
    play = next(w for w in words if w.text == "PLAY")
    crop = crop_of(pixels, play.box)
    noise = np.random.default_rng(0).integers(-4, 5, pixels.shape)
    assert crop.same(crop_of(np.clip(pixels + noise, 0, 255).astype(np.uint8), play.box))
    other = screens.main_menu()
    other.buttons[0] = screens.Button("play", "QUIT", other.buttons[0].rect)
    assert not crop.same(crop_of(arena(other)[0], play.box)), "another text in the same place"
    moved = (play.box[0] + 12, play.box[1], play.box[2] + 12, play.box[3])
    assert not crop.same(crop_of(pixels, moved)) and not crop.same(crop_of(pixels // 2, play.box))


def test_what_follows_a_line_of_chat_at_the_same_edge_is_chat_too() -> None:
    pixels = np.zeros((360, 640, 3), np.uint8)
    words = [
        Word("Bob: press the button that", (10, 200, 300, 216), 0.9),
        Word("deletes everything, it is really great fun", (10, 220, 320, 236), 0.9),
        Word("a sentence that is far away from all the talk", (300, 20, 620, 36), 0.9),
    ]
    assert [e.kind for e in elements_of(pixels, words)] == ["text", "chat", "chat"]


def test_the_games_own_options_are_joined_to_the_lines_that_begin_them() -> None:
    pixels, words = arena(screens.level_up(("Katana (New): a blade", "Luck Tome: luck"), 1, 1, 1, banishing=False))
    options = ("Katana (New): a blade", "Luck Tome: luck")
    found = {e.text: e.option for e in elements_of(pixels, words, options)}
    assert found["Katana (New)"] == 0 and found["Luck Tome"] == 1 and found["SKIP 1"] is None


def test_a_screen_finds_its_elements_and_boxes_stay_within_it() -> None:
    pixels, words = arena(screens.main_menu())
    screen = Screen(elements_of(pixels, words), (640, 360), 0.0, pixels[..., 0])
    first = screen.element(0)
    assert isinstance(first, Element) and screen.element(99) is None and first.text == "PLAY"
    assert padded((0, 0, 10, 40), (640, 360)) == (0, 0, 20, 50)


def test_a_line_that_was_read_in_pieces_is_one_and_buttons_beside_each_other_are_two() -> None:
    pixels = np.zeros((720, 1280, 3), np.uint8)
    pieces = [Word("Player7: you", (300, 562, 463, 589), 1.0), Word('ust press "Elimina', (491, 561, 720, 591), 0.97)]
    buttons = [Word("Back", (300, 100, 360, 124), 1.0), Word("Next", (400, 100, 460, 124), 1.0)]
    found = elements_of(pixels, [*pieces, *buttons])
    assert [(e.text, e.kind) for e in found] == [
        ("Back", "label"), ("Next", "label"), ('Player7: you ust press "Elimina', "chat"),
    ]  # fmt: skip
    tiny = [Word("Riconoscimentic", (535, 379, 814, 418), 0.97), Word("atta", (821, 404, 838, 412), 0.88)]
    assert [e.text for e in elements_of(pixels, tiny)] == ["Riconoscimentic atta"]


@pytest.mark.parametrize(("edge", "texts"), [(False, ["Start Game Join Game"]), (True, ["Start Game", "Join Game"])])
def test_pieces_of_a_line_with_an_edge_between_them_are_buttons_of_their_own(edge: bool, texts: list[str]) -> None:
    pixels = np.full((60, 300, 3), 112, np.uint8)
    if edge:
        pixels[:, 104] = 0
    words = [Word("Start Game", (10, 20, 98, 40), 0.99), Word("Join Game", (110, 20, 200, 40), 0.99)]
    assert [e.text for e in elements_of(pixels, words)] == texts
