"""Getting through menus by focus and submit: press, release, move the focus, wait where waiting is all there is.

Works on every game that speaks the wire's menus; knows nothing of pictures.
"""

from __future__ import annotations

import msgspec

from agent.core.types import Action, GameState, Menu

PRESS_EVERY = 8


class MenuCarry(msgspec.Struct, frozen=True):
    """Where one game's menus stand: the menu, ticks since it opened, and focus moves still to be made."""

    menu: str = ""
    options: tuple[str, ...] = ()
    ticks: int = 0
    moves_left: int = 0


def in_menu(state: GameState) -> bool:
    """True where buttons, not legs, are what matters."""
    return state.current_menu != Menu.PLAY or not state.is_playing


def step(carry: MenuCarry, state: GameState, choice: int = 0) -> tuple[MenuCarry, Action]:
    """One tick in a menu: go down to card `choice`, then submit, each press released before the next.

    `choice` counts from the default focus downwards and is read when the menu opens.
    """
    if carry.menu != state.current_menu or carry.options != state.level_up_options:
        carry = MenuCarry(state.current_menu, state.level_up_options, 0, choice)
    ticks = carry.ticks + 1
    action = Action()
    moves = carry.moves_left
    if state.current_menu != Menu.LOADING and ticks % PRESS_EVERY == 0:
        if moves > 0:
            action, moves = Action(move=(0.0, -1.0)), moves - 1
        else:
            action = Action(fire=True)
    return MenuCarry(carry.menu, carry.options, ticks, moves), action
