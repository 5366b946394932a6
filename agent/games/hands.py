"""What a game's side does with actions between two ticks: newest wins, presses are kept, silence is neutral.

Owns no socket and no clock.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.core.types import NEUTRAL, Action

HOLD_S: Final = 0.15


class Hands:
    """Merges the actions that arrive between two ticks into the one that the tick applies.

    Buttons that any of them pressed and the last click stay latched until the tick; the axes are the newest
    action's. An action holds for 150 ms without a successor, and for two ticks of a slower game.
    """

    def __init__(self, tick_s: float = 0.0) -> None:
        self._hold_s = max(HOLD_S, 2.0 * tick_s)
        self.clear()

    def clear(self) -> None:
        """Forget everything, as when a client leaves."""
        self._newest = NEUTRAL
        self._received_s = float("-inf")
        self._fire = self._ability = self._interact = False
        self._click: tuple[int, int] | None = None

    def receive(self, action: Action, now_s: float) -> None:
        """Take one action."""
        self._newest = action
        self._received_s = now_s
        self._fire |= action.fire
        self._ability |= action.ability
        self._interact |= action.interact
        if action.click is not None:
            self._click = action.click

    def take(self, now_s: float) -> Action:
        """The action of the tick at `now_s`; what was latched is released."""
        newest = self._newest if now_s - self._received_s <= self._hold_s else NEUTRAL
        action = msgspec.structs.replace(
            newest,
            fire=newest.fire or self._fire,
            ability=newest.ability or self._ability,
            interact=newest.interact or self._interact,
            click=self._click,
        )
        self._fire = self._ability = self._interact = False
        self._click = None
        return action
