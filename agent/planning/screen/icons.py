"""Boxes without words that may be buttons, by their edges and repeated sizes. What they are is told by hovering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from agent.core.types import ByteArray
from agent.planning.screen.changes import overlap
from agent.planning.screen.messages import Box

MAX_ICONS: Final = 12
_MIN_SIDE: Final = 0.03
_MAX_SIDE: Final = 0.25
"""Sides of a box as shares of the picture's height."""
_ALIKE: Final = 0.12


def icons(grey: ByteArray, words: Sequence[Box]) -> list[Box]:
    """Boxes of a picture u8 [h, w] that have an edge all around and no word in them, those of repeated sizes first.

    From top to bottom within each of the two; at most `MAX_ICONS`.
    """
    import cv2

    h = grey.shape[0]
    edges = cv2.dilate(cv2.Canny(grey, 40, 120), np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found: list[Box] = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        x, y, bw, bh = (int(v) for v in cv2.boundingRect(contour))
        box = (x, y, x + bw, y + bh)
        is_sized = _MIN_SIDE * h <= min(bw, bh) and max(bw, bh) <= _MAX_SIDE * h
        is_full = cv2.contourArea(contour) >= 0.6 * bw * bh
        if is_sized and is_full and not any(overlap(box, other) for other in (*words, *found)):
            found.append(box)
    repeated = [b for b in found if sum(_same_size(b, other) for other in found) > 1]
    rest = [b for b in found if b not in repeated]
    return [*sorted(repeated, key=_place), *sorted(rest, key=_place)][:MAX_ICONS]


def _place(box: Box) -> tuple[int, int]:
    return box[1] // 8, box[0]


def _same_size(a: Box, b: Box) -> bool:
    wide, high = (a[2] - a[0], b[2] - b[0]), (a[3] - a[1], b[3] - b[1])
    return abs(wide[0] - wide[1]) <= _ALIKE * max(wide) and abs(high[0] - high[1]) <= _ALIKE * max(high)
