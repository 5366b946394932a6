"""A picture of a population: every member's fitness over its steps, who copied whom, and the values that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from agent.core.errors import SettingsError
from agent.training.population.book import Event

LINEAGE: Final = "lineage.png"


def draw(lines: Sequence[dict[str, Any]], lineage: Sequence[Event], path: Path) -> None:
    """Draw into a .png or .svg file; lines: of the curve. Raises SettingsError without matplotlib, or for the disk."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SettingsError('the lineage plot needs matplotlib: pip install "metabonk-apex[plots]"') from error
    names = sorted({name for event in lineage for name in event.values})
    figure = Figure(figsize=(10, 4.0 + 2.2 * len(names)), layout="constrained")
    fitness, *below = figure.subplots(1 + len(names), 1, squeeze=False, sharex=True)[:, 0]
    members = sorted({event.member for event in lineage})
    last: dict[int, list[tuple[float, float]]] = {
        m: [(line["spent"], line["fitness"]) for line in lines if line["member"] == m and line["fitness"] is not None]
        for m in members
    }
    for member in members:
        colour = f"C{member % 10}"
        fitness.plot(*zip(*last[member], strict=True) if last[member] else ([], []), color=colour, label=str(member))
        for axes, name in zip(below, names, strict=True):
            of = [(line["spent"], float(line["values"][name])) for line in lines if line["member"] == member]
            axes.step(*zip(*of, strict=True) if of else ([], []), color=colour, where="pre")
            axes.set_ylabel(name)
            if of and min(value for _, value in of) > 0:
                axes.set_yscale("log")
    for event in lineage:
        if event.kind == "copy" and event.fitness is not None and event.parent_fitness is not None:
            ends = {"xy": (event.spent, event.parent_fitness), "xytext": (event.spent, event.fitness)}
            fitness.annotate("", arrowprops={"arrowstyle": "->", "color": f"C{event.parent % 10}"}, **ends)
    fitness.set_ylabel("mean score")
    fitness.legend(title="member", fontsize=7, ncols=8)
    (below[-1] if below else fitness).set_xlabel("steps of a member")
    try:
        figure.savefig(path)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}; nothing was drawn") from error
