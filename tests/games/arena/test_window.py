"""The window in which a person plays: what is pressed becomes an action and a HINP trailer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.core.types import Action
from agent.games.arena.game import ArenaGame
from agent.games.arena.window import Window


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    game = ArenaGame()
    game.reset(1)
    opened = Window(game)
    yield opened
    opened.close()


def test_a_click_in_the_window_presses_what_lies_under_it_and_is_told_to_clients(window: Window) -> None:
    import pygame

    game = window._game
    for _ in range(20):
        game.tick(Action())
    assert game.screen is not None
    x0, y0, x1, y1 = next(b.rect for b in game.screen.buttons if b.meaning == "play")
    wide, high = window._surface.get_size()
    at = (int((x0 + x1) / 2 * wide), int((y0 + y1) / 2 * high))
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=at))
    action, trailer = window.human()
    game.tick(action)
    assert game.screen is not None and game.screen.name == "CharacterSelect"
    assert trailer.ui_click and trailer.click == pytest.approx((at[0] / wide, at[1] / high))
    assert not window.human()[1].ui_click


def test_the_mouse_turns_the_view_escape_pauses_and_closing_closes(window: Window) -> None:
    import pygame

    game = window._game
    game.reset(1, start="run")
    window.show(game.render())
    pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, rel=(20, 0), pos=(5, 5), buttons=(0, 0, 0)))
    action, trailer = window.human()
    assert action.look[0] == pytest.approx(0.4) == trailer.look[0]
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, unicode="", mod=0))
    window.human()
    assert game.state().current_menu == "Pause"
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.human()
    assert window.closed


def test_f9_saves_a_clip_where_the_game_is_recorded(window: Window) -> None:
    import pygame

    saved: list[bool] = []
    pressed = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_F9, unicode="", mod=0)
    pygame.event.post(pressed)
    window.human()
    window._save_clip = lambda: saved.append(True)
    pygame.event.post(pressed)
    _, trailer = window.human()
    assert saved == [True] and not trailer.is_pressed
