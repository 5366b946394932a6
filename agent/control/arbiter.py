"""Who owns the action of this tick: a person, the motor, a chooser of cards, or nobody (neutral).

Pure but for its counters; knows nothing of sockets.
"""

from __future__ import annotations

import math

import msgspec

from agent.core.rollout import BoolArray
from agent.core.types import HUMAN, NEUTRAL, Action


class Verdict(msgspec.Struct, frozen=True):
    """The action to send, who chose it, and why a proposal was refused, if one was.

    owner: `human`, `motor`, `nobody`, or a chooser's name while the presses for its card are made. instead_of: the
    verdict if no person had taken over.
    """

    action: Action
    owner: str
    refused: str | None = None
    instead_of: Verdict | None = None


class CardVerdict(msgspec.Struct, frozen=True):
    """The card to take, and who chose it: `motor` or a chooser's name."""

    card: int
    owner: str


class Arbiter:
    """Chooses between proposals, and replaces what may not be sent by a neutral action, counting why.

    cards_by: cards taken, by who chose them.
    """

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}
        self.cards_by: dict[str, int] = {}

    def card(self, motor: int, proposed: int | None, chooser: str, there: BoolArray) -> CardVerdict:
        """A chooser's card goes before the motor's, unless it is not on offer, which is counted."""
        owner, card = "motor", motor
        if proposed is not None and 0 <= proposed < len(there) and there[proposed]:
            owner, card = chooser, proposed
        elif proposed is not None:
            self.refused["card_not_offered"] = self.refused.get("card_not_offered", 0) + 1
        self.cards_by[owner] = self.cards_by.get(owner, 0) + 1
        return CardVerdict(card, owner)

    def choose(self, proposed: Action | None, owner: str = "motor", human: Action | None = None) -> Verdict:
        """The policy's proposal within its limits; an unusable one becomes neutral and is counted.

        owner: whose choice the proposal carries out. human: what a person does, who goes before everybody.
        """
        if human is not None:
            return Verdict(_clamped(human), HUMAN, None, self._of_policy(proposed, owner))
        return self._of_policy(proposed, owner)

    def _of_policy(self, proposed: Action | None, owner: str) -> Verdict:
        if proposed is None:
            return self._refuse("no_action")
        reason = _reason_to_refuse(proposed)
        return Verdict(_clamped(proposed), owner) if reason is None else self._refuse(reason)

    def _refuse(self, reason: str) -> Verdict:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return Verdict(NEUTRAL, "nobody", reason)


def _reason_to_refuse(action: Action) -> str | None:
    if not all(math.isfinite(v) for v in (*action.move, *action.look)):
        return "not_finite"
    if action.env is not None and not all(math.isfinite(v) for v in action.env.axes):
        return "not_finite"
    if action.click is not None and min(action.click) < 0:
        return "click_outside"
    return None


def _clamped(action: Action) -> Action:
    axes = (*action.move, *action.look)
    if max(axes) <= 1.0 and min(axes) >= -1.0:
        return action
    mx, my, lx, ly = (min(1.0, max(-1.0, v)) for v in axes)
    return msgspec.structs.replace(action, move=(mx, my), look=(lx, ly))
