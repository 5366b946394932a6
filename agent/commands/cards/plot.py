"""A picture of what is known of cards: effects with their intervals, and interactions as a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent.core.errors import SettingsError
from agent.learning.causal.scientist import Effect, Interaction

MAX_CARDS: Final = 40
MAX_EDGES: Final = 20


def draw(effects: Sequence[Effect], interactions: Sequence[Interaction], outcome: str, path: Path) -> None:
    """Draw into a .png or .svg file; raises SettingsError without matplotlib, or where the file cannot be written."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingsError('--plot needs matplotlib: pip install "metabonk-apex[plots]"') from error
    shown = sorted(sorted(effects, key=lambda e: -abs(e.believed))[:MAX_CARDS], key=lambda e: e.effect)
    figure = Figure(figsize=(14, max(4.0, 0.28 * len(shown) + 1.5)), layout="constrained")
    left, right = figure.subplots(1, 2)
    _effects(left, shown, outcome)
    _graph(right, interactions[:MAX_EDGES])
    try:
        figure.savefig(path)
    except OSError as error:
        raise SettingsError(f"--plot {path}: {error.strerror or error}; nothing was drawn") from error


def _effects(axes: Any, shown: Sequence[Effect], outcome: str) -> None:
    places = list(range(len(shown)))
    axes.axvline(0.0, color="0.7")
    for place, e in zip(places, shown, strict=True):
        colour = "tab:green" if e.is_announced else "tab:blue"
        axes.plot([e.low, e.high], [place, place], color="0.8", linewidth=4, solid_capstyle="butt")
        axes.plot([e.effect - 1.96 * e.error, e.effect + 1.96 * e.error], [place, place], color=colour, linewidth=2)
        axes.plot(e.effect, place, "o", color=colour, markersize=4)
        axes.plot(e.believed, place, "x", color="black", markersize=5)
    axes.set_yticks(places, [f"{e.name} ({e.offers})" for e in shown], fontsize=8)
    axes.set_xlabel(f"{outcome} against the other offered cards")
    axes.set_title("dot: effect, line: 95 %, grey: 95 % at every look, cross: believed", fontsize=9)


def _graph(axes: Any, edges: Sequence[Interaction]) -> None:
    """Cards on a circle; an arrow from a card in the build to the one whose effect it changes."""
    names = sorted({name for edge in edges for name in (edge.name, edge.other)})
    at = {
        name: (math.cos(2 * math.pi * k / len(names)), math.sin(2 * math.pi * k / len(names)))
        for k, name in enumerate(names)
    }
    largest = max((abs(edge.difference) for edge in edges), default=1.0) or 1.0
    for edge in edges:
        clear = edge.low > 0.0 or edge.high < 0.0
        style = {
            "arrowstyle": "->", "color": "tab:green" if edge.difference > 0 else "tab:red",
            "alpha": 0.9 if clear else 0.3, "linewidth": 0.5 + 3.0 * abs(edge.difference) / largest,
            "connectionstyle": "arc3,rad=0.15",
        }  # fmt: skip
        axes.annotate("", xy=at[edge.name], xytext=at[edge.other], arrowprops=style)
    for name, (x, y) in at.items():
        axes.text(1.12 * x, 1.12 * y, name, ha="center", va="center", fontsize=8)
    axes.set(xlim=(-1.6, 1.6), ylim=(-1.4, 1.4))
    axes.axis("off")
    axes.set_title("in the build → changes the effect of (faint: the 95 % interval has 0 in it)", fontsize=9)
