"""A planner's cards: what it wishes, and how they are picked for a policy that takes no other's cards."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from agent.control import menus
from agent.core.types import Action, Menu, Observation

PLANNER: Final = "planner"
"""The owner of an action that picks a planner's card."""
_CARD_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)


class Wishes(Protocol):
    """Whoever wishes for cards."""

    def wish(self, game: int, captions: tuple[str, ...]) -> int | None:
        """The offered card that is wished for, None for none of them; from any thread."""
        ...

    def picked(self, game: int) -> None:
        """A card was taken as wished, and by nobody else; from any thread."""
        ...


class _Seat(msgspec.Struct):
    """One game's open menu, and the card that is picked in it, None where nothing is wished."""

    menu: menus.MenuCarry = menus.MenuCarry()
    card: int | None = None


class PlannedCards:
    """Presses what picks a planner's card, in menus in which it wishes for one, in place of the policy."""

    def __init__(self, wishes: Wishes, games: int) -> None:
        self._wishes = wishes
        self._seats = [_Seat() for _ in range(games)]

    def propose(self, observation: Observation) -> Action | None:
        """The action that picks the card, None where the policy is to act itself."""
        state, seat, game = observation.state, self._seats[observation.game], observation.game
        is_open = state.current_menu in _CARD_MENUS and len(state.level_up_options) > 0
        if not is_open or (seat.menu.menu, seat.menu.options) != (state.current_menu, state.level_up_options):
            if seat.card is not None and not observation.by_human and not observation.is_first:
                self._wishes.picked(game)
            seat.menu = menus.MenuCarry()
            seat.card = self._wishes.wish(game, state.level_up_options) if is_open else None
        if not is_open:
            return None
        seat.menu, action = menus.step(seat.menu, state, seat.card or 0)
        return msgspec.structs.replace(action, answers=observation.sequence) if seat.card is not None else None
