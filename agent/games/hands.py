"""What a game's side does with actions: whose count, and between two ticks newest wins and presses are kept.

Owns no socket and no clock.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.core.types import NEUTRAL, Action, DeskInput

HOLD_S: Final = 0.15
LAPSE_S: Final = 5.0
RIVAL_GAP_S: Final = 1.0
MAX_DESK_INPUTS: Final = 64
"""Of one tick; older ones are dropped."""


class Ownership:
    """Which client plays: the first that acts, until it leaves.

    Another one takes the game over only where it went on acting for `LAPSE_S` while the owner sent nothing. So two
    clients that both act never alternate.
    """

    def __init__(self) -> None:
        self.owner: object | None = None
        self._rival: object | None = None
        self._rival_since_s = self._rival_s = float("-inf")

    def claim(self, client: object, now_s: float) -> bool:
        """One action of a client at `now_s`; True where it counts."""
        if self.owner is not client and not self._may_own(client, now_s):
            return False
        self.owner, self._rival, self._rival_s = client, None, float("-inf")
        return True

    def leave(self, client: object) -> bool:
        """The client is gone; True where it was the owner."""
        was_owner = self.owner is client
        if was_owner:
            self.owner = None
        if was_owner or self._rival is client:
            self._rival, self._rival_s = None, float("-inf")
        return was_owner

    def _may_own(self, client: object, now_s: float) -> bool:
        if self.owner is None:
            return True
        rests = now_s - self._rival_s > RIVAL_GAP_S
        if self._rival is not client and not rests:
            return False
        if rests:
            self._rival, self._rival_since_s = client, now_s
        self._rival_s = now_s
        return now_s - self._rival_since_s >= LAPSE_S


class Hands:
    """Merges the actions that arrive between two ticks into the one that the tick applies.

    Buttons that any of them pressed, the last click and all desktop input stay latched until the tick; the axes are the
    newest action's. An action holds for 150 ms without a successor, and for two ticks of a slower game.
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
        self._desk: tuple[DeskInput, ...] = ()

    def receive(self, action: Action, now_s: float) -> None:
        """Take one action."""
        self._newest = action
        self._received_s = now_s
        self._fire |= action.fire
        self._ability |= action.ability
        self._interact |= action.interact
        if action.click is not None:
            self._click = action.click
        self._desk = (self._desk + action.desk)[-MAX_DESK_INPUTS:]

    def take(self, now_s: float) -> Action:
        """The action of the tick at `now_s`; what was latched is released."""
        newest = self._newest if now_s - self._received_s <= self._hold_s else NEUTRAL
        action = msgspec.structs.replace(
            newest,
            fire=newest.fire or self._fire,
            ability=newest.ability or self._ability,
            interact=newest.interact or self._interact,
            click=self._click,
            desk=self._desk,
        )
        self._fire = self._ability = self._interact = False
        self._click, self._desk = None, ()
        return action
