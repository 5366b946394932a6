"""Who goes through a menu in place of the policy: the planner for its cards, the navigator for all other menus."""

from __future__ import annotations

from typing import Protocol

from agent.core.types import Action, Observation


class Proposer(Protocol):
    """Whoever may want to act in a menu."""

    def propose(self, observation: Observation) -> Action | None:
        """What to do, None where others are to act."""
        ...


class Navigators:
    """Asks each of these in turn, with the name under which its actions are sent; the first that wants to, acts.

    All of them see every observation.
    """

    def __init__(self, *asked: tuple[Proposer, str]) -> None:
        self.asked = asked

    def propose(self, observation: Observation) -> tuple[Action, str] | None:
        """What to do and who says so, None where the policy is to act itself."""
        found = [(proposer.propose(observation), owner) for proposer, owner in self.asked]
        return next(((action, owner) for action, owner in found if action is not None), None)
