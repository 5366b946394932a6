"""No click is made on anything but what was meant, in the window that it was meant in, in time, and not too often."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from agent.core.types import Frame
from agent.games.arena import screens
from agent.planning.menus.mouse import FRESH_S, SafeMouse, capture_point, click_on
from agent.planning.menus.words import Refused
from agent.planning.screen.elements import Screen, elements_of
from tests.planning.screen.test_elements import arena


def _menu(first: str = "PLAY") -> tuple[Screen, Frame]:
    menu = screens.main_menu()
    menu.buttons[0] = screens.Button("play", first, menu.buttons[0].rect)
    pixels, words = arena(menu)
    return Screen(elements_of(pixels, words), (640, 360), 0.0, pixels[..., 0]), Frame(pixels, 0.0, 0.0)


def test_a_click_on_what_is_still_there_is_made_and_where_it_goes_is_the_games_capture() -> None:
    screen, frame = _menu()
    click, mouse = click_on(screen.elements[0], screen), SafeMouse(Refused())
    assert mouse.confirm(click, frame, "PLAY") == "ok" and mouse.may_click(click, frame, 0.1) == "ok"
    x, y = click.point_px
    assert capture_point(click, None) == (x, 359 - y) and capture_point(click, (1280, 720))[0] in (2 * x, 2 * x + 1)
    assert list(mouse.look_to_click_s) == [0.1] and mouse.status()["look_to_click_ms"]["p99"] == 100.0


def test_the_second_gate_refuses_what_is_read_there_now_and_what_was_meant() -> None:
    screen, frame = _menu()
    click, mouse = click_on(screen.elements[0], screen), SafeMouse(Refused())
    assert mouse.confirm(click, frame, "QU1T GAME") == "refused"
    assert mouse.confirm(msgspec.structs.replace(click, text="Quit"), frame, "PLAY") == "refused"
    assert mouse.confirm(click, frame, "SOMETHING ELSE") == "changed" and mouse.confirm(click, frame, "") == "changed"


def test_another_text_another_window_and_a_point_outside_are_not_clicked() -> None:
    screen, frame = _menu()
    click, mouse = click_on(screen.elements[0], screen), SafeMouse(Refused())
    _, other = _menu("QUIT")
    assert mouse.may_click(click, other, 0.0) == "changed"
    larger = Frame(np.zeros((720, 1280, 3), np.uint8), 0.0, 0.0)
    assert mouse.may_click(click, larger, 0.0) == "other window"
    assert mouse.may_click(msgspec.structs.replace(click, point_px=(640, 5)), frame, 0.0) == "outside"
    assert mouse.verdicts == {"changed": 1, "other window": 1, "outside": 1}


def test_a_picture_that_is_too_old_is_not_clicked_on() -> None:
    screen, frame = _menu()
    mouse = SafeMouse(Refused())
    assert mouse.may_click(click_on(screen.elements[0], screen), frame, FRESH_S + 0.01) == "old"


def test_at_most_four_clicks_are_made_in_a_second() -> None:
    screen, frame = _menu()
    click, mouse, made = click_on(screen.elements[0], screen), SafeMouse(Refused()), []
    for i in range(60):
        now_s = i / 30
        if mouse.may_click(click, Frame(frame.pixels, now_s, now_s), now_s) == "ok":
            made.append(now_s)
    assert len(made) == 8 and all(b - a >= 1.0 - 1e-9 for a, b in zip(made, made[4:], strict=False))


@pytest.mark.parametrize("text", ["", "PLAY"])
def test_a_free_point_needs_no_text_but_passes_both_gates(text: str) -> None:
    screen, frame = _menu()
    click = msgspec.structs.replace(click_on(screen.elements[0], screen), text="", free=True)
    mouse = SafeMouse(Refused())
    assert mouse.confirm(click, frame, text) == "ok" and mouse.confirm(click, frame, "Delete") == "refused"
