"""Who owns the action of this tick: the motor, the menu rule, or nobody (neutral).

Pure but for its counters; knows nothing of sockets.
"""

from __future__ import annotations

import math

import msgspec

from agent.core.types import NEUTRAL, Action, GameState


class Verdict(msgspec.Struct, frozen=True):
    """The action to send, who chose it (`motor`, `menu`, `nobody`), and why a proposal was refused, if one was."""

    action: Action
    owner: str
    refused: str | None = None


class Arbiter:
    """Chooses between proposals, and replaces what may not be sent by a neutral action, counting why."""

    def __init__(self) -> None:
        self.refused: dict[str, int] = {}

    def choose(self, motor: Action | None, menu: Action | None, state: GameState) -> Verdict:
        """A menu's proposal goes before the motor's; an unusable one becomes neutral and is counted."""
        proposal, owner = (menu, "menu") if menu is not None else (motor, "motor")
        reason = _reason_to_refuse(proposal)
        if proposal is None or reason is not None:
            reason = reason or "no_action"
            self.refused[reason] = self.refused.get(reason, 0) + 1
            return Verdict(NEUTRAL, "nobody", reason)
        return Verdict(_clamped(proposal), owner)


def _reason_to_refuse(action: Action | None) -> str | None:
    if action is None:
        return "no_action"
    if not all(math.isfinite(v) for v in (*action.move, *action.look)):
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
