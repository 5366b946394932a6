"""Build a session's planner, and say what a plan changes in it and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.cards.explorer import ChoosesMenus
from agent.control.cards.planned import PlannedCards
from agent.control.policy import Capabilities, Policy, capabilities_of
from agent.control.safety.rules import Safety
from agent.core.choices import WANTED, Preferences
from agent.core.clock import Clock
from agent.core.goals.progress import Judged, Pursuit
from agent.core.part import Part
from agent.planning.backend import Backend
from agent.planning.part import SystemTwo
from agent.planning.planner import Planner
from agent.session.options import SessionOptions

CARDS_BY_POLICY: Final = "the policy picks the card that the plan asks for, through the arbiter, before any chooser"
CARDS_BY_MENU: Final = "the planner presses for the card that it asks for, through the arbiter, in place of the policy"
NO_CARDS: Final = "none: {} learns from its own cards and lets nobody else pick one"
ARENA_HALF_M: Final = 92.0
"""The rules of the arena keep the player within it (`games.arena.terrain.EDGE_M`)."""
NO_SUBGOALS: Final = "none: {} takes no subgoals; they are tracked and shown, and change nothing but cards"


class Planning(msgspec.Struct, frozen=True, eq=False):
    """A session's planner. menu: presses for its cards, where the policy does not pick them."""

    part: SystemTwo
    planner: Planner
    menu: PlannedCards | None


def build_planning(
    options: SessionOptions, policy: Policy, clock: Clock, say: Callable[[str, str, dict[str, Any]], None],
    also: Callable[[int, Pursuit | None, Judged | None], None] | None = None,
) -> Planning | None:  # fmt: skip
    """The planner of a session, None where it is off. also: told of what is pursued, beside the policy."""
    wanted, can, games = options.planning, capabilities_of(policy), len(options.names)
    if wanted is None:
        return None
    backend = Backend(wanted.llm, clock)
    pursues = can.subgoals.pursue if can.subgoals is not None else _nobody_pursues

    def pursue(game: int, pursuit: Pursuit | None, judged: Judged | None) -> None:
        pursues(game, pursuit, judged)
        if also is not None:
            also(game, pursuit, judged)

    planner = Planner(wanted.goal, games, clock, say, backend=backend, pursue=pursue, logs=wanted.logs)
    menu = PlannedCards(planner, games) if can.chooses_cards is None and can.learnable is None else None
    return Planning(SystemTwo(planner, backend, effects_of(policy.name, can)), planner, menu)


def build_safety(options: SessionOptions) -> SafetyRules | None:
    """The rules of safety for a session, None where they are off. Only the arena's edge is known."""
    if not options.safety:
        return None
    return SafetyRules(Safety(len(options.names), half_m=ARENA_HALF_M if options.game == "arena" else None))


@dataclass(frozen=True)
class SafetyRules(Part):
    """Shows how often each rule of safety changed an action; the arbiter asks the rules themselves."""

    name = "safety"
    key = "safety"
    rules: Safety

    def status(self) -> dict[str, Any]:
        """How often each rule changed an action."""
        return self.rules.status()


def _nobody_pursues(game: int, pursuit: Pursuit | None, judged: Judged | None) -> None:
    """The policy takes no subgoals, which `effects_of` says."""


def effects_of(name: str, can: Capabilities) -> dict[str, str]:
    """What a plan changes when this policy acts: cards, and subgoals of play."""
    if can.chooses_cards is not None:
        cards = CARDS_BY_POLICY
    else:
        cards = CARDS_BY_MENU if can.learnable is None else NO_CARDS.format(name)
    play = "the policy pursues them" if can.subgoals is not None else NO_SUBGOALS.format(name)
    return {"cards": cards, "subgoals": play}


def choose_cards(
    policy: Policy, arbiter: Arbiter, wanted: Preferences | None, planning: Planning | None, menus: ChoosesMenus | None
) -> CardChooser | None:
    """Have the policy ask whoever has a say in its cards: expected free energy where something is `wanted`, the
    planner, and who decides menus by chances. None where nobody has, or the policy takes no other's cards.
    """
    choosing = capabilities_of(policy).chooses_cards
    if choosing is None or (wanted is None and planning is None and menus is None):
        return None
    wishes = planning.planner if planning is not None else None
    chooser = CardChooser(WANTED if wanted is None else wanted, wishes=wishes, menus=menus)
    choosing.choose_by(chooser, arbiter)
    return chooser
