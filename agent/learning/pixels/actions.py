"""Actions of games as the numbers of a layout, and what was done between two pictures as one row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.core.types import Action, FloatArray, Shown
from agent.learning.pixels.layout import STANDARD, ActionLayout, Control


def layout_for(shown: Shown | None) -> ActionLayout:
    """The controls of a hosted game: an environment's own axes and choices, else the ten numbers."""
    if shown is None:
        return STANDARD
    axes = tuple(Control(f"axis{i}", "axis") for i in range(shown.axes))
    return ActionLayout((*axes, *(Control(f"choice{i}", "choice", n) for i, n in enumerate(shown.branches))))


def numbers_of(action: Action, shown: Shown | None, capture_px: tuple[int, int]) -> FloatArray:
    """An action as the numbers of `layout_for`, f32 [controls]."""
    if shown is not None:
        if action.env is None:
            return np.zeros(shown.axes + len(shown.branches), np.float32)
        return np.array((*action.env.axes, *action.env.choices), np.float32)
    click = (0.0, 0.0, 0.0)
    if action.click is not None:
        width, height = capture_px
        click = (1.0, (action.click[0] + 0.5) / width, 1.0 - (action.click[1] + 0.5) / height)
    return np.array((*action.move, *action.look, action.fire, action.ability, action.interact, *click), np.float32)


def joined(deeds: Sequence[FloatArray], layout: ActionLayout) -> FloatArray:
    """What was done between two pictures as one row: axes are averaged, keys joined by OR, the last choice counts."""
    stacked = np.stack(deeds)
    row: FloatArray = stacked[-1].copy()
    for i, control in enumerate(layout.controls):
        if control.kind == "axis":
            row[i] = stacked[:, i].mean()
        elif control.kind == "key":
            row[i] = stacked[:, i].max()
        elif control.kind == "position":
            pressed = stacked[:, layout.names.index(control.of)] > 0
            row[i] = stacked[pressed, i][-1] if pressed.any() else 0.0
    return row
