"""A window as a game: where clicks go, and when nothing goes out."""

from __future__ import annotations

import pytest

from agent.core.errors import GameError, SettingsError
from agent.core.types import Action
from agent.games.desktop.interface import Rect, Stir
from agent.games.desktop_host import HANDS_OFF_S, LOST_S, DesktopGame, stop_key
from agent.games.hosting import build_game
from agent.games.options import HostOptions
from tests.games.desktop.fake import OTHER, Clock, Screen, hosted, play

WALK = Action(move=(0.0, 1.0))


def test_a_click_goes_where_the_picture_shows_it_with_the_window_s_offset() -> None:
    screen = Screen(Clock())
    game = hosted(screen)

    play(game, screen, 1.0, Action(click=(100, 300)))  # 300 from below of 360: 59 from above

    assert screen.told("down") == [(1, 400, 259)] and screen.told("up") == [(1, 400, 259)]
    times = {what: at for at, what, _ in screen.log}
    assert times["down"] - times["move"] >= 0.2 and times["up"] - times["down"] >= 0.1


@pytest.mark.parametrize("rect", [Rect(0, 0, 2560, 1440), Rect(1920, -200, 1600, 1600), Rect(-1280, 0, 1280, 720)])
def test_a_click_is_scaled_to_windows_of_other_sizes_and_on_other_monitors(rect: Rect) -> None:
    screen = Screen(Clock(), rect)
    game = hosted(screen)
    w, h = game.capture_size_px

    play(game, screen, 1.0, Action(click=(w // 4, h - 1 - h // 2)))

    ((_, x, y),) = screen.told("down")
    assert w <= 1280 and h <= 720 and game.render().shape == (h, w, 3)
    assert abs(x - rect.x - rect.width / 4) <= 2 and abs(y - rect.y - rect.height / 2) <= 2


def test_a_window_that_moves_takes_the_click_along_and_one_that_is_resized_gets_none() -> None:
    screen = Screen(Clock())
    game = hosted(screen)
    play(game, screen, 0.1, Action(click=(100, 300)))
    screen.rect = Rect(500, 100, 640, 360)
    play(game, screen, 1.0)
    assert screen.told("down") == [(1, 600, 159)]

    play(game, screen, 0.1, Action(click=(100, 300)))
    screen.rect = Rect(500, 100, 800, 450)
    play(game, screen, 1.0)
    assert len(screen.told("down")) == 1 and game.counts["dropped"] > 0


def test_nothing_is_pressed_where_another_window_lies_over_the_point() -> None:
    screen = Screen(Clock())
    game = hosted(screen)
    play(game, screen, 0.1, Action(click=(100, 300)))
    screen.top = OTHER

    play(game, screen, 1.0)

    assert screen.told("down") == []


def test_loss_of_focus_lets_go_of_all_keys_at_once_and_hides_the_screen() -> None:
    screen = Screen(Clock())
    game = hosted(screen)
    play(game, screen, 0.1, WALK, WALK)
    assert screen.told("press") == [(17,)] and game.render().max() > 0

    screen.focus = OTHER
    play(game, screen, 0.02, WALK, WALK)

    assert screen.told("let go") == [(17,)]
    assert game.render().max() == 0, "what other programs show is none of a game's"
    screen.log.clear()
    play(game, screen, 1.0, Action(click=(9, 9)), WALK)
    assert screen.log == []


@pytest.mark.parametrize("stir", [Stir("motion"), Stir("key", 30, True), Stir("button", 1, True)])
def test_a_person_s_first_event_stops_the_agent_at_once_and_it_goes_on_later(stir: Stir) -> None:
    screen = Screen(Clock())
    game = hosted(screen)
    play(game, screen, 0.3, Action(move=(0.0, 1.0), click=(9, 9)), WALK)
    held = screen.told("press")
    screen.waiting = [stir]

    play(game, screen, 0.02, WALK)

    assert held == [(17,)] and screen.told("let go") == [(17,)]
    human = game.human()
    assert human is not None and human[1].is_pressed
    screen.log.clear()
    play(game, screen, HANDS_OFF_S - 0.2, WALK, WALK)
    assert screen.log == []
    play(game, screen, 0.4, WALK, WALK)
    assert screen.told("press") == [(17,)] and game.human() is None


def test_the_stop_key_ends_the_game_for_good() -> None:
    screen = Screen(Clock())
    game = DesktopGame("A Game", screen, screen.clock, "F12")
    play(game, screen, 0.1, WALK, WALK)
    screen.waiting = [Stir("key", stop_key("f12"), True)]

    play(game, screen, HANDS_OFF_S + 1.0, WALK, WALK)

    assert game.stopped and screen.told("press") == screen.told("let go") == [(17,)]


def test_the_state_says_that_an_input_is_still_being_made() -> None:
    screen = Screen(Clock())
    game = hosted(screen)
    before = game.state()
    play(game, screen, 0.1, Action(click=(9, 9)))
    during = game.state()
    play(game, screen, 1.0)

    assert (before.is_paused, during.is_paused, game.state().is_paused) == (False, True, False)
    assert not during.is_playing and during.max_health == 0.0


def test_a_window_that_is_gone_ends_the_game_with_its_name() -> None:
    screen = Screen(Clock())
    game = hosted(screen)
    screen.rect = None
    play(game, screen, LOST_S - 0.5)

    with pytest.raises(GameError, match="'A Game' is gone"):
        play(game, screen, 1.0)


@pytest.mark.parametrize(
    "options, text",
    [
        (HostOptions("desktop:A Game", mode="lock-step"), "real time"),
        (HostOptions("desktop:A Game", stop_key="Paus"), "did you mean Pause"),
    ],
)
def test_options_that_a_desktop_cannot_have_are_refused(options: HostOptions, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        build_game(options)


def test_a_title_that_no_window_has_is_refused_with_those_that_are_there() -> None:
    screen = Screen(Clock())

    with pytest.raises(SettingsError, match="there are: A Game, Letters"):
        DesktopGame("No such game anywhere", screen, screen.clock)
