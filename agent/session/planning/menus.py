"""Build a session's navigator of menus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from agent.control.cards.planned import PLANNER
from agent.core.clock import Clock
from agent.planning.llm import ByChild, LanguageModel
from agent.planning.menus.graph import ScreenGraph, graph_path
from agent.planning.menus.navigator import Navigator
from agent.planning.menus.part import Menus
from agent.planning.menus.vlm import VisionModel
from agent.planning.menus.words import Refused
from agent.planning.screen.reader import ScreenReader, reading_child
from agent.session.options import SessionOptions
from agent.session.planning.building import Planning
from agent.session.planning.navigators import Navigators, Proposer

NAVIGATOR: Final = "navigator"
"""The owner of an action that goes through a menu."""


def build_menus(options: SessionOptions, clock: Clock, say: Callable[[str, str, dict[str, Any]], None]) -> Menus | None:
    """The navigator of a session, None where it is off."""
    wanted = options.menus
    if wanted is None:
        return None
    model = None
    if wanted.vlm is not None:
        model = VisionModel(
            LanguageModel(wanted.vlm, ByChild(), clock, timeout_s=wanted.timeout_s), free=wanted.click_xy
        )
    games = [options.game if len(options.names) == 1 else f"{options.game} {name}" for name in options.names]
    graphs = [ScreenGraph(game, graph_path(wanted.folder, game) if wanted.folder else None) for game in games]
    reader = ScreenReader(reading_child(), clock)
    navigator = Navigator(wanted.goal, options.names, graphs, reader, Refused(wanted.allowed), clock, say, model=model)
    return Menus(navigator, clock, model)


def navigators(planning: Planning | None, menus: Menus | None) -> Navigators | None:
    """Who goes through menus in place of the policy; None where nobody does."""
    asked: list[tuple[Proposer, str]] = []
    if planning is not None and planning.menu is not None:
        asked.append((planning.menu, PLANNER))
    if menus is not None:
        asked.append((menus.navigator, NAVIGATOR))
    return Navigators(*asked) if asked else None
