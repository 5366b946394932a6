"""The hand at mouse and keyboard: presses what it is told in its time, and lets go of everything at once when told so.

A click takes a move, a small move, a pause, down, a pause, and up: many games miss anything faster. A game that puts
the mouse back takes its moves alone and draws a pointer of its own, whose place nobody else knows: there the mouse is
moved so far that this pointer stops at the window's corner, and from there by as much as the point lies away from it.
Some moves are lost, so the picture around the point must change then, as it does where a pointer appears.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from agent.core.types import ByteArray
from agent.games.desktop.interface import LEFT_BUTTON, Desktop, Rect, Spot

HOVER_S: Final = 0.25
"""From the move to the press: games look where the mouse is once a frame, and some menus slide."""
HELD_S: Final = 0.12
STAYS_S: Final = 0.4
"""After the press the mouse stays: a game that is slow takes a click as made where the mouse is then."""
KEY_S: Final = 0.05
PUT_BACK_S: Final = 0.1
"""A game that puts the mouse back has done so by then."""
SEEN_S: Final = 0.2
"""What a move does is in the picture by then, or soon after in a slow game."""
_LOOKS: Final = 4
MAX_WAITING: Final = 256
"""Steps that may wait; more are dropped, the newest."""
_NEAR_PX: Final = 8
_HOMING: Final = 4
"""Moves to the corner."""
_TRIES: Final = 4
_PART: Final = 3
"""A move goes over one of so many parts of the window at most: it begins in the middle, and ends at the edge."""
_MOVE_S: Final = 0.08
"""Between moves: slower games put the mouse back later."""
_AROUND_PX: Final = 20
_CHANGED_BY: Final = 48
_CHANGED_PIXELS: Final = 12
"""A pointer that appears changes so many pixels by so much."""
At = Callable[[], Spot | None]


class _Step(NamedTuple):
    after_s: float
    do: Callable[[], None]
    is_up: bool = False


class Hand:
    """One hand at one desktop. Times are of the clock that `work` is told."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop
        self._steps: deque[_Step] = deque()
        self._free_s = float("-inf")
        self._keys: set[int] = set()
        self._buttons: set[int] = set()
        self._held: set[int] = set()
        self._sent_to = (0, 0)
        self.lost = 0
        """Points that a game's own pointer was not brought to."""

    @property
    def is_busy(self) -> bool:
        """True while steps wait."""
        return bool(self._steps)

    @property
    def holds(self) -> bool:
        """True while a key or a button is down."""
        return bool(self._keys or self._buttons)

    def click(self, at: At) -> None:
        """Press the left button at a point. at: asked for each move and for the press.

        It says None where the point is not the game's any more; then nothing is pressed.
        """
        self.point(at)
        self._then(HOVER_S, lambda: self._press(at))
        self._then(HELD_S, lambda: self._button(LEFT_BUTTON, down=False), is_up=True)
        self._then(STAYS_S, lambda: None)

    def point(self, at: At) -> None:
        """Move the mouse there."""
        self._then(0.0, lambda: self._move(at, 1))
        self._then(PUT_BACK_S, lambda: self._arrive(at))

    def keys(self, keys: list[tuple[int, bool]]) -> None:
        """Keys down and up, one after the other."""
        for code, down in keys:
            self._then(KEY_S, lambda code=code, down=down: self.key(code, down=down), is_up=not down)  # type: ignore[misc]

    def hold(self, code: int, *, down: bool) -> None:
        """Hold a key, or let go of it, at once; nothing where it is so already, or is not held by this."""
        if down != (code in self._held):
            self.key(code, down=down)
            (self._held.add if down else self._held.discard)(code)

    def key(self, code: int, *, down: bool) -> None:
        """A key down or up, now."""
        self._desktop.key(code, down=down)
        (self._keys.add if down else self._keys.discard)(code)

    def work(self, now_s: float) -> None:
        """Do what is due."""
        while self._steps:
            step = self._steps[0]
            due_s = self._free_s + step.after_s
            if now_s < due_s:
                return
            self._steps.popleft()
            self._free_s = now_s if self._free_s == float("-inf") else max(due_s, now_s - KEY_S)
            step.do()
        self._free_s = float("-inf")

    def release(self) -> None:
        """Let go of every key and button, and forget what waits."""
        self._steps.clear()
        self._held.clear()
        self._free_s = float("-inf")
        for code in sorted(self._keys):
            self.key(code, down=False)
        for number in sorted(self._buttons):
            self._button(number, down=False)

    def _then(self, after_s: float, do: Callable[[], None], *, is_up: bool = False) -> None:
        if len(self._steps) < MAX_WAITING or is_up:
            self._steps.append(_Step(after_s, do, is_up))

    def _move(self, at: At, beside_px: int) -> None:
        spot = at()
        if spot is not None:
            self._sent_to = spot.x_px + beside_px, spot.y_px
            self._desktop.move_to(*self._sent_to)

    def _arrive(self, at: At) -> None:
        """Make the small move; or the way by the corner, where the game put the mouse back."""
        spot = at()
        if spot is None:
            return
        if not self._is_put_back():
            self._desktop.move_to(spot.x_px, spot.y_px)
            return
        self._first(self._homed(at, 0))

    def _homed(self, at: At, attempt: int) -> list[_Step]:
        """To the corner and from there to the point; then look whether a pointer came there, or try again."""
        spot = at()
        if spot is None:
            return []
        (w, h), before = spot.size_px, list[ByteArray]()
        around = Rect(spot.x_px - _AROUND_PX, spot.y_px - _AROUND_PX, 2 * _AROUND_PX, 2 * _AROUND_PX)

        def look() -> None:
            before.append(self._desktop.picture(around))

        def check(looks: int = _LOOKS) -> None:
            if not before or _appeared(before[0], self._desktop.picture(around)):
                return
            if looks > 1:
                self._first([_Step(SEEN_S, lambda: check(looks - 1))])
            elif attempt + 1 < _TRIES:
                self._first(self._homed(at, attempt + 1))
            else:
                self._lose()

        n = max(1, -(-_PART * spot.in_x_px // w), -(-_PART * spot.in_y_px // h))
        way = [_part(spot.in_x_px, spot.in_y_px, i, n) for i in range(n)]
        steps = [self._moving(-w, -h) for _ in range(_HOMING)]
        if max(spot.in_x_px, spot.in_y_px) <= _NEAR_PX:
            return steps
        return [*steps, _Step(SEEN_S, look), *(self._moving(*part) for part in way), _Step(SEEN_S, check)]

    def _moving(self, dx_px: int, dy_px: int) -> _Step:
        return _Step(_MOVE_S, lambda: self._desktop.move_by(dx_px, dy_px))

    def _first(self, steps: list[_Step]) -> None:
        """Do these before all that waits."""
        self._steps.extendleft(reversed(steps))

    def _lose(self) -> None:
        """The pointer did not come to the point: what was to be done there is not done."""
        self.lost += 1
        while self._steps and not self._steps[0].is_up:
            self._steps.popleft()

    def _is_put_back(self) -> bool:
        """True where the game takes moves alone: it put the mouse back, or will, as it keeps it to itself."""
        (x, y), (to_x, to_y) = self._desktop.pointer(), self._sent_to
        return max(abs(x - to_x), abs(y - to_y)) > _NEAR_PX or self._desktop.is_grabbed()

    def _press(self, at: At) -> None:
        if at() is not None:
            self._button(LEFT_BUTTON, down=True)

    def _button(self, number: int, *, down: bool) -> None:
        if not down and number not in self._buttons:
            return
        self._desktop.button(number, down=down)
        (self._buttons.add if down else self._buttons.discard)(number)


def _part(x_px: int, y_px: int, i: int, n: int) -> tuple[int, int]:
    """The i-th of n moves that together go so far."""
    return x_px * (i + 1) // n - x_px * i // n, y_px * (i + 1) // n - y_px * i // n


def _appeared(before: ByteArray, after: ByteArray) -> bool:
    """True where one picture differs from the other by as much as by a pointer."""
    away = np.abs(before.astype(np.int16) - after).max(axis=2)
    return int((away > _CHANGED_BY).sum()) >= _CHANGED_PIXELS
