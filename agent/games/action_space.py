"""The actions of a Gymnasium space, exactly: from rows of axes and choices, or from one value for each of its parts.

A space is taken apart into controls, in order: each number of a Box is an axis, each part of a Discrete, MultiDiscrete
or MultiBinary is a choice; Dict and Tuple are taken apart into theirs. What is built from them is always in the space:
integers are rounded, nothing overflows, and both bounds are reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from agent.core.errors import SettingsError
from agent.core.rollout import ActionSpec

MAX_CHOICES: Final = 65_536
"""Of one part: more outputs no policy here has."""
Numbers = NDArray[np.float64]


class Control(NamedTuple):
    """One part of an action. choices: how many there are, 0 for an axis from `low` to `high`, which rests at `idle`.

    An infinite bound is none.
    """

    name: str
    choices: int
    low: float = 0.0
    high: float = 0.0
    idle: float = 0.0

    @property
    def is_open(self) -> bool:
        """True for an axis that lacks a bound."""
        return not (self.choices or np.isfinite((self.low, self.high)).all())


class ActionSpace:
    """A space and its controls; raises SettingsError for one that has a part which is none of the kinds above."""

    def __init__(self, space: Any) -> None:
        self.space = space
        self._leaves = list(_leaves(space, ""))
        self.controls = [control for name, leaf in self._leaves for control in _controls(name, leaf)]
        axes = [c for c in self.controls if not c.choices]
        branches = tuple(c.choices for c in self.controls if c.choices)
        self.spec = ActionSpec(len(axes), branches)
        self._start = int(space.start) if isinstance(space, spaces.Discrete) else None
        self._is_axis = np.array([not c.choices for c in self.controls], np.bool_)
        self._low, self._high = np.array([c.low for c in axes]), np.array([c.high for c in axes])

    def check_bounds(self) -> None:
        """Raise SettingsError where an axis has no bound, so that −1 … 1 stand for nothing; names every one."""
        unbounded = [c.name for c in self.controls if c.is_open]
        if unbounded:
            raise SettingsError(
                f"actions of {self.space}: no bound for {_listed(unbounded)}; a bounded Box is needed: give the "
                "environment bounds, as gymnasium.wrappers.TransformAction does"
            )

    def action(self, axes: Any, choices: Any) -> Any:
        """The action of axes [C] in −1 … 1, from the lower bound to the upper one, and of choices [B] from 0."""
        if self._start is not None:
            return int(choices[0]) + self._start
        values = np.zeros(len(self.controls))
        share = (np.clip(np.asarray(axes, np.float64), -1.0, 1.0) + 1.0) * 0.5
        values[self._is_axis] = self._low * (1.0 - share) + self._high * share
        values[~self._is_axis] = choices
        return self.build(values)

    def build(self, values: Numbers) -> Any:
        """The action with one value for each control: an index from 0 of a choice, a number in its unit of an axis."""
        at, built = 0, []
        for _, leaf in self._leaves:
            width = _width(leaf)
            built.append(_build(leaf, values[at : at + width]))
            at += width
        return _nested(self.space, iter(built))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _leaves(space: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, part in parts:
            yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary | spaces.Box):
        yield name, space
    else:
        where = f", part {name} {space}" if name else ""
        raise SettingsError(
            f"action space {space}{where}: only Discrete, MultiDiscrete, MultiBinary and Box, and Dict and Tuple of "
            "them, can be played"
        )


def _width(leaf: Any) -> int:
    return 1 if isinstance(leaf, spaces.Discrete) else int(np.prod(leaf.shape))


def _controls(name: str, leaf: Any) -> Iterator[Control]:
    name = name or "action"
    if isinstance(leaf, spaces.Discrete):
        counts = [int(leaf.n)]
    elif isinstance(leaf, spaces.MultiDiscrete):
        counts = [int(n) for n in leaf.nvec.reshape(-1)]
    elif isinstance(leaf, spaces.MultiBinary):
        counts = [2] * _width(leaf)
    else:
        lows = np.where(leaf.bounded_below, leaf.low, -np.inf).astype(np.float64).reshape(-1)
        highs = np.where(leaf.bounded_above, leaf.high, np.inf).astype(np.float64).reshape(-1)
        for i, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
            yield Control(f"{name}[{i}]", 0, low, high, min(max(0.0, low), high))
        return
    for i, count in enumerate(counts):
        if count > MAX_CHOICES:
            raise SettingsError(f"action space {leaf}: {count} choices of one part; {MAX_CHOICES} are possible")
        yield Control(name if isinstance(leaf, spaces.Discrete) else f"{name}[{i}]", count)


def _build(leaf: Any, values: Numbers) -> Any:
    if isinstance(leaf, spaces.Discrete):
        return int(values[0]) + int(leaf.start)
    if isinstance(leaf, spaces.Box):
        return _in_box(values.reshape(leaf.shape), leaf)
    chosen = values.astype(np.int64).reshape(leaf.shape)
    if isinstance(leaf, spaces.MultiDiscrete):
        chosen = chosen + leaf.start
    return chosen.astype(leaf.dtype)


def _in_box(values: Numbers, box: Any) -> Any:
    """Values as the Box's dtype, the nearest that is within its bounds; NaN is the lower bound."""
    low, high = np.asarray(box.low), np.asarray(box.high)
    wide_low, wide_high = low.astype(np.float64), high.astype(np.float64)
    if box.dtype.kind == "b":
        values = (values >= 0.5).astype(np.float64)
    elif box.dtype.kind in "iu":
        values = np.rint(values)
    # Only what lies strictly between is converted: a bound of 64 bits may have no float64 of its own.
    inside = (values > wide_low) & (values < wide_high)
    exact = np.where(values >= wide_high, high, low).astype(box.dtype)
    exact[inside] = values[inside].astype(box.dtype)
    return np.asarray(np.clip(exact, low, high))


def _nested(space: Any, built: Iterator[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _nested(part, built) for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_nested(part, built) for part in space.spaces)
    return next(built)
