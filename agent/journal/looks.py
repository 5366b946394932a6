"""Looks at a game for its loops: what a state is as a node, and what was gained and done since the look before.

The same for recordings and for play, so that both find the same loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.core.types import Action, ByteArray, GameState
from agent.journal.loops import LOOK_HZ, Gains, Look, Nodes

MAX_BACK_S: Final = 1.0
"""A clock that goes back by more began anew."""
SETTLED_S: Final = 0.1
"""A picture that came sooner after a menu opened, or closed, may be of before."""


def is_acting(action: Action) -> bool:
    """Whether an action moves, turns, presses or uses something; to hold a button alone gets nobody out of a loop."""
    return action.click is not None or action.interact or any((*action.move, *action.look))


class Looks:
    """Makes the looks of one game, `LOOK_HZ` a second at most."""

    def __init__(self) -> None:
        self._nodes, self._gains = Nodes(), Gains()
        self._next_s: float | None = None
        self._acted = False
        self._menu: str | None = None
        self._opened_s = 0.0

    def note(self, state: GameState, came_s: float) -> None:
        """Take note of a state that came then: of its gains, its menu, and of what a person does in it."""
        self._gains.note(state)
        if state.current_menu != self._menu:
            self._menu, self._opened_s = state.current_menu, came_s
        human = state.human
        if human is not None and (any((*human.move, *human.look)) or human.ui_click or human.fire or human.interact):
            self._acted = True

    def add(self, *, acted: bool, gained: bool = False) -> None:
        """Take note of what the player did, and of a reward that no state tells of."""
        self._acted |= acted
        if gained:
            self._gains.add()

    @property
    def has_acted(self) -> bool:
        """Whether it is known already that the player did something since the last look."""
        return self._acted

    def is_due(self, time_s: float) -> bool:
        """Whether a look is due; it is taken then."""
        if self._next_s is not None and self._next_s - MAX_BACK_S <= time_s < self._next_s:
            return False
        self._next_s = time_s + 1.0 / LOOK_HZ
        return True

    def look(
        self, time_s: float, state: GameState, picture: Callable[[], ByteArray | None], pictured_s: float | None
    ) -> Look:
        """Look at a state; `picture` is asked for u8 [h, w, 3] only where the picture decides which node it is.

        pictured_s: when the picture came, None without one; one of another menu decides nothing.
        """
        position, menu = state.position, state.current_menu
        is_of_menu = pictured_s is not None and pictured_s >= self._opened_s + SETTLED_S
        pixels = picture() if is_of_menu and self._nodes.needs_picture(menu, position) else None
        level = state.run.level if state.run is not None else 0
        node = self._nodes.of(menu, level, position, pixels, plays=state.is_playing)
        acted, self._acted = self._acted, False
        return Look(time_s, node, self._gains.take(), acted)

    def restart(self) -> None:
        """Another episode begins."""
        self._next_s = None
