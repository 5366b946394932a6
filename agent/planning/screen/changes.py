"""What changed between two pictures, in blocks of 16 × 16 pixels, and whether a screen has settled.

Pictures are u8 [h, w, 3]; they are compared by their brightness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.core.types import ByteArray
from agent.planning.screen.messages import Box

BLOCK_PX: Final = 16
NOISE: Final = 14
"""A pixel changed where its brightness did by more; what a JPEG encoder makes of the same picture is less."""
SETTLED_SHARE: Final = 0.01
WHOLE_SHARE: Final = 0.5
"""Where more of a picture changed, it is read whole."""
_MAX_BOXES: Final = 6


def brightness(pixels: ByteArray) -> ByteArray:
    """A picture without its colours, u8 [h, w]."""
    import cv2

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def changed_blocks(before: ByteArray, after: ByteArray) -> NDArray[np.bool_]:
    """Which blocks changed, [⌈h / 16⌉, ⌈w / 16⌉]; all where the size did. Both are brightness, u8 [h, w]."""
    import cv2

    h, w = after.shape
    rows, columns = -(-h // BLOCK_PX), -(-w // BLOCK_PX)
    if before.shape != after.shape:
        return np.ones((rows, columns), np.bool_)
    _, mask = cv2.threshold(cv2.absdiff(before, after), NOISE, 255, cv2.THRESH_BINARY)
    padded = cv2.copyMakeBorder(mask, 0, rows * BLOCK_PX - h, 0, columns * BLOCK_PX - w, cv2.BORDER_CONSTANT, value=0)
    share = cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(share) > 0


def changed_share(before: ByteArray, after: ByteArray) -> float:
    """The share of blocks that changed, 0 … 1."""
    return float(changed_blocks(before, after).mean())


def changed_boxes(before: ByteArray, after: ByteArray, words: Sequence[Box] = ()) -> list[Box]:
    """Rectangles that hold all that changed, few of them; each holds whole the `words` that it touches.

    One box of the whole picture where more than `WHOLE_SHARE` of it changed.
    """
    import cv2

    h, w = after.shape
    blocks = changed_blocks(before, after)
    if not blocks.any():
        return []
    if blocks.mean() > WHOLE_SHARE:
        return [(0, 0, w, h)]
    near = cv2.dilate(blocks.astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(near, connectivity=8)
    boxes = []
    for label in range(1, count):
        rows, columns = np.nonzero(blocks & (labels == label))
        x0, y0 = int(columns.min()) * BLOCK_PX, int(rows.min()) * BLOCK_PX
        boxes.append((x0, y0, min(w, int(columns.max() + 1) * BLOCK_PX), min(h, int(rows.max() + 1) * BLOCK_PX)))
    boxes = _joined([_with_words(box, words) for box in boxes])
    while len(boxes) > _MAX_BOXES:
        boxes = _joined([*boxes[:-2], _around(boxes[-2], boxes[-1])])
    area = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
    return [(0, 0, w, h)] if area > WHOLE_SHARE * w * h else boxes


def overlap(a: Box, b: Box) -> bool:
    """True where two boxes have a pixel in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _with_words(box: Box, words: Sequence[Box]) -> Box:
    for word in words:
        if overlap(box, word):
            box = _around(box, word)
    return box


def _joined(boxes: Sequence[Box]) -> list[Box]:
    """The boxes, those that overlap made one."""
    found: list[Box] = []
    for box in boxes:
        while any(overlap(box, other) for other in found):
            other = next(other for other in found if overlap(box, other))
            found.remove(other)
            box = _around(box, other)
        found.append(box)
    return sorted(found, key=lambda b: (b[1], b[0]))
