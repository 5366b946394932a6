"""Whether a picture shows a menu, for games that do not tell: by how its texts lie, and by the known screens."""

from __future__ import annotations

from typing import Final

from agent.planning.menus.graph import SAME_SCREEN, ScreenGraph, alike
from agent.planning.menus.words import concepts
from agent.planning.screen.elements import Screen
from agent.planning.screen.text import tokens, without_numbers

_MIDDLE: Final = (0.15, 0.12, 0.85, 0.85)
"""Counters and bars of play lie outside, 0 … 1 from the top left."""
_MANY: Final = 2
_MORE: Final = 2
_MIN_CONFIDENCE: Final = 0.7


def is_menu(screen: Screen, graph: ScreenGraph, *, settled: bool, is_first: bool = True) -> bool:
    """True where it is a menu: known texts, or labels in the middle; of a picture that moves, more of them.

    is_first: nothing was pressed yet. Later a few texts of which none is a word of menus are what play says.
    """
    labels = [e for e in screen.elements if e.kind == "label" and e.confidence >= _MIN_CONFIDENCE]
    w, h = screen.size_px
    x0, y0, x1, y1 = _MIDDLE
    middle = sum(x0 <= e.centre[0] / w <= x1 and y0 <= e.centre[1] / h <= y1 for e in labels)
    needed = 1 if settled else _MANY
    if not is_first and not any(" ".join(tokens(e.text)) in concepts() for e in labels):
        needed += _MORE
    if middle >= needed:
        return True
    texts = {without_numbers(e.text) for e in screen.elements if e.kind != "chat"} - {""}
    return len(texts) > 1 and any(alike(node.texts, texts) >= SAME_SCREEN for node in graph.nodes.values())
