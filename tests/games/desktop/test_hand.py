"""The hand: one press after the other, and pointers that games draw themselves."""

from __future__ import annotations

import pytest

from agent.core.types import Action, Keys, Pointer, Typed
from tests.games.desktop.fake import Clock, Screen, hosted, play


def test_keys_text_and_pointer_of_acx2_are_made_one_after_the_other() -> None:
    screen = Screen(Clock())
    game = hosted(screen)

    play(game, screen, 1.0, Action(desk=(Keys(((1, True), (1, False))), Typed("a"), Pointer(0, 359))))

    keys = [(at, what, values) for at, what, values in screen.log if what in ("press", "let go")]
    assert [(what, *values) for _, what, values in keys] == [
        ("press", 1), ("let go", 1), ("press", 30), ("let go", 30),
    ]  # fmt: skip
    assert all(b[0] - a[0] >= 0.04 for a, b in zip(keys, keys[1:], strict=False)), "a frame lies between them"
    assert screen.told("move")[-1] == (300, 200)


@pytest.mark.parametrize("lost", [0, 2])
def test_a_pointer_of_the_game_s_own_is_brought_to_the_point_by_way_of_the_corner(lost: int) -> None:
    screen = Screen(Clock(), puts_back=True)
    screen.own, screen.lose_moves = (333, 222), lost
    game = hosted(screen)

    play(game, screen, 6.0, Action(click=(500, 100)))

    assert screen.told("down") == [(1, 500, 259)]


def test_a_pointer_that_never_comes_presses_nothing() -> None:
    screen = Screen(Clock(), puts_back=True)
    screen.lose_moves = 1000
    game = hosted(screen)

    play(game, screen, 12.0, Action(click=(500, 100)))

    assert screen.told("down") == [] and not game.state().is_paused
