"""Getting through menus by focus and submit: press, release, move the focus, wait where waiting is all there is.

Works on every game that speaks the wire's menus; knows nothing of pictures.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.core.types import Action, GameState, Menu

PRESS_EVERY = 8
DOWN, UP, LEFT, RIGHT, SUBMIT = "d", "u", "l", "r", "s"
_PRESSED: Final = {
    DOWN: Action(move=(0.0, -1.0)), UP: Action(move=(0.0, 1.0)), LEFT: Action(move=(-1.0, 0.0)),
    RIGHT: Action(move=(1.0, 0.0)), SUBMIT: Action(fire=True),
}  # fmt: skip
OTHER: Final = 100
"""Added to what the arena's rules call an action that takes no card."""
_OTHERS: Final = {103: "dddrs", 104: "ddds", 105: "dddlss", 106: "dddlsds", 107: "dddlsdds"}
"""Of the arena's level-up: reroll, skip, banish card 0 to 2, whose buttons lie below the three cards."""
_BACK: Final = "ssssuuuu"
"""What follows where these led nowhere: the buttons were not there; so the first card is taken."""


class MenuCarry(msgspec.Struct, frozen=True):
    """Where one game's menus stand: the menu, ticks since it opened, and the presses still to be made."""

    menu: str = ""
    options: tuple[str, ...] = ()
    ticks: int = 0
    presses: str = ""


def in_menu(state: GameState) -> bool:
    """True where buttons, not legs, are what matters."""
    return state.current_menu != Menu.PLAY or not state.is_playing


def presses_of(menu: str, choice: int) -> str:
    """The presses for a choice: of a card, or from `OTHER` on of an action of `control.cards.explorer`."""
    if choice < OTHER:
        return DOWN * choice
    if menu == Menu.LEVEL_UP:
        return _OTHERS[choice] + _BACK
    return (RIGHT if menu == Menu.CHEST else DOWN * 3) + SUBMIT + _BACK


def step(carry: MenuCarry, state: GameState, choice: int = 0) -> tuple[MenuCarry, Action]:
    """One tick in a menu: go down to card `choice`, then submit, each press released before the next.

    `choice` counts from the default focus downwards and is read when the menu opens; see `presses_of`.
    """
    if carry.menu != state.current_menu or carry.options != state.level_up_options:
        carry = MenuCarry(state.current_menu, state.level_up_options, 0, presses_of(state.current_menu, choice))
    ticks = carry.ticks + 1
    action, presses = Action(), carry.presses
    if state.current_menu != Menu.LOADING and ticks % PRESS_EVERY == 0:
        action, presses = _PRESSED[presses[:1] or SUBMIT], presses[1:]
    return MenuCarry(carry.menu, carry.options, ticks, presses), action
