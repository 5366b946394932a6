"""Who owns the action of this tick: human > safety > planner > navigator > motor (or a chooser of cards), or nobody.

Pure but for its counters; knows nothing of sockets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import msgspec

from agent.control.safety.rules import Override
from agent.core.rollout import BoolArray
from agent.core.types import HUMAN, NEUTRAL, Action

SAFETY: Final = "safety"
"""The owner of what `control.safety` made of an action."""
NOBODY: Final = "nobody"
Guard = Callable[[Action], Override | None]


class Verdict(msgspec.Struct, frozen=True):
    """The action to send, who chose it, and why a proposal was refused, if one was.

    owner: `human`, `safety`, `planner`, `navigator`, `motor`, `nobody`, or a chooser's name while the presses for its
    card are made. instead_of: the verdict on the policy's proposal, where another's action goes before it. reason:
    safety's.
    """

    action: Action
    owner: str
    refused: str | None = None
    instead_of: Verdict | None = None
    reason: str = ""


class CardVerdict(msgspec.Struct, frozen=True):
    """The card to take (or what else to do, from `menus.OTHER` on), and who chose it: `motor` or a chooser's name."""

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

    def decided(self, action: int, owner: str) -> CardVerdict:
        """The action of a menu that was decided by chances, and by whom: it goes as it is."""
        self.cards_by[owner] = self.cards_by.get(owner, 0) + 1
        return CardVerdict(action, owner)

    def taken_by_human(self, owner: str) -> None:
        """A person took another card, or the same one, before the presses for the owner's had: it is the person's."""
        self.cards_by[owner] -= 1
        if not self.cards_by[owner]:
            del self.cards_by[owner]
        self.cards_by[HUMAN] = self.cards_by.get(HUMAN, 0) + 1

    def choose(
        self, proposed: Action | None, owner: str = "motor", human: Action | None = None,
        navigated: tuple[Action, str] | None = None, guard: Guard | None = None,
    ) -> Verdict:  # fmt: skip
        """The policy's proposal within its limits; an unusable one becomes neutral and is counted.

        owner: whose choice the proposal carries out. human: what a person does, who goes before everybody. navigated:
        what is done in the policy's place, and by whom. guard: safety, which sees what would be sent.
        """
        policy = self._of_policy(proposed, owner)
        if human is not None:
            return Verdict(_clamped(human), HUMAN, None, policy)
        verdict = policy if navigated is None else Verdict(_clamped(navigated[0]), navigated[1], None, policy)
        override = guard(verdict.action) if guard is not None and verdict.refused is None else None
        if override is None:
            return verdict
        return Verdict(_clamped(override.action), SAFETY, None, policy, override.reason)

    def _of_policy(self, proposed: Action | None, owner: str) -> Verdict:
        if proposed is None:
            return self._refuse("no_action")
        reason = _reason_to_refuse(proposed)
        return Verdict(_clamped(proposed), owner) if reason is None else self._refuse(reason)

    def _refuse(self, reason: str) -> Verdict:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        return Verdict(NEUTRAL, NOBODY, reason)


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
