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
        """A card was taken as wished; from any thread."""
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
        state, seat = observation.state, self._seats[observation.game]
        if state.current_menu not in _CARD_MENUS or not state.level_up_options:
            seat.menu, seat.card = menus.MenuCarry(), None
            return None
        if seat.menu.menu != state.current_menu or seat.menu.options != state.level_up_options:
            seat.card = self._wishes.wish(observation.game, state.level_up_options)
            if seat.card is not None:
                self._wishes.picked(observation.game)
        seat.menu, action = menus.step(seat.menu, state, seat.card or 0)
        return msgspec.structs.replace(action, answers=observation.sequence) if seat.card is not None else None
