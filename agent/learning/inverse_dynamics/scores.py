"""How good labels are: balanced figures, beside those of copying the action before.

Plain accuracy is left out on purpose but for choices: a held key makes it high for whoever copies.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.core.types import FloatArray
from agent.learning.pixels.layout import ActionLayout

PRESSED: Final = 0.33
"""An axis beyond this counts as pressed that way."""
Pressed = NDArray[np.bool_]


def presses(layout: ActionLayout, actions: FloatArray) -> dict[str, Pressed]:
    """What is pressed at each step, bool [T] by name.

    A key is one; an axis is two, its ways; a choice is one for each of its values. Positions press nothing.
    """
    found: dict[str, Pressed] = {}
    for i, control in enumerate(layout.controls):
        column = actions[:, i]
        if control.kind == "key":
            found[control.name] = column > 0.5
        elif control.kind == "axis":
            found[f"{control.name}+"], found[f"{control.name}-"] = column > PRESSED, column < -PRESSED
        elif control.kind == "choice":
            found |= {f"{control.name}={k}": np.rint(column) == k for k in range(control.choices)}
    return found


def f1(right: float, found: float, wanted: float) -> float:
    """F1 from counts; 1 where nothing was wanted and nothing found."""
    return 2.0 * right / (found + wanted) if found + wanted else 1.0


def onset_matches(found: Pressed, wanted: Pressed, slack: int = 1) -> tuple[int, int, int]:
    """Beginnings of presses that match within `slack` steps, each once; those found, and those wanted."""
    at_found, at_wanted = np.flatnonzero(_onsets(found)), np.flatnonzero(_onsets(wanted))
    matched, k = 0, 0
    for at in at_wanted.tolist():
        while k < len(at_found) and at_found[k] < at - slack:
            k += 1
        if k < len(at_found) and at_found[k] <= at + slack:
            matched, k = matched + 1, k + 1
    return matched, len(at_found), len(at_wanted)


def _onsets(pressed: Pressed) -> Pressed:
    before = np.concatenate([pressed[:1], pressed[:-1]])
    found: Pressed = pressed & ~before
    return found


class Tally:
    """Counts over episodes; each is added with what was done and what was told, f32 [T, controls]."""

    def __init__(self, layout: ActionLayout, slack: int = 1) -> None:
        self._layout, self._slack = layout, slack
        self._held: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self._onset: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
        self.steps = 0

    def add(self, done: FloatArray, told: FloatArray) -> None:
        """One episode."""
        self.steps += len(done)
        wanted, found = presses(self._layout, done), presses(self._layout, told)
        for name, pressed in wanted.items():
            own = found[name]
            held = np.array([(own & pressed).sum(), own.sum(), pressed.sum()], np.float64)
            self._held[name] = self._held.get(name, np.zeros(3)) + held
            onset = np.array(onset_matches(own, pressed, self._slack), np.float64)
            self._onset[name] = self._onset.get(name, np.zeros(3)) + onset

    def figures(self, min_share: float = 0.005) -> dict[str, float]:
        """Means over what is pressed in at least this share of the steps: `macro_f1`, `onset_f1`, `presses` of them."""
        names = [name for name, held in self._held.items() if held[2] >= max(1.0, min_share * self.steps)]
        if not names:
            return {"macro_f1": 0.0, "onset_f1": 0.0, "presses": 0.0}
        return {
            "macro_f1": float(np.mean([f1(*self._held[name]) for name in names])),
            "onset_f1": float(np.mean([f1(*self._onset[name]) for name in names])),
            "presses": float(len(names)),
        }


def copied(actions: FloatArray) -> FloatArray:
    """What copying the action before tells."""
    return np.concatenate([actions[:1] * 0.0, actions[:-1]])
