"""What a screen shows as elements: text, place, picture, and how it stands; each may be pressed or is only read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.types import ByteArray
from agent.planning.screen.messages import Box, Word
from agent.planning.screen.text import plain, skeleton

Kind = Literal["label", "text", "chat", "icon"]
"""label: short enough for a button. text: a sentence. chat: what somebody said. icon: a box without words."""
State = Literal["normal", "selected", "disabled"]
MAX_LABEL_CHARS: Final = 32
MAX_LABEL_WORDS: Final = 5
_SAID: Final = re.compile(
    r"^\s*(\[[^\]]{1,24}\]|<[^>]{1,24}>|\(?\d{1,2}:\d{2}\)?)\s*\S|^\s*[\w .\-\[\]]{2,24}\s?[:»>]\s+\S+(\s+\S+)",
    re.UNICODE,
)
"""`[name] …`, `<name> …`, `12:30 …`, `name: two words`: a line that somebody said."""
_SIGNATURE: Final = (48, 12)
_GAP: Final = 1.0
_MIN_GAP_PX: Final = 5
_EDGE: Final = 10.0
_EDGE_SHARE: Final = 0.9
"""An edge parts two pieces where the brightness steps by so much in this share of the rows."""
_FAINT: Final = 0.6
"""Texts of less than this share of the clearest one's contrast look disabled; some are not, so they are put off."""
_STANDS_OUT: Final = 40.0
_SAME_MEAN: Final = 4.0
_SAME_TOP: Final = 30.0


class Crop(msgspec.Struct, frozen=True, eq=False):
    """How an element looks: its picture made small, u8 [12, 48], and its mean colour."""

    small: ByteArray
    colour: NDArray[np.float32]

    def same(self, other: Crop) -> bool:
        """True where only an encoder's noise lies between them."""
        away = np.abs(self.small.astype(np.int16) - other.small)
        top = float(np.partition(away.reshape(-1), -12)[-12])
        colour = float(np.abs(self.colour - other.colour).max())
        return float(away.mean()) <= _SAME_MEAN and top <= _SAME_TOP and colour <= 3 * _SAME_MEAN


class Element(msgspec.Struct, frozen=True, eq=False):
    """One thing on a screen. id: its number on this screen. option: of the game's own options, where it is one."""

    id: int
    text: str
    box: Box
    crop: Crop
    kind: Kind
    state: State = "normal"
    confidence: float = 1.0
    option: int | None = None

    @property
    def centre(self) -> tuple[int, int]:
        """The middle of its box, pixels."""
        return (self.box[0] + self.box[2]) // 2, (self.box[1] + self.box[3]) // 2


class Screen(msgspec.Struct, frozen=True, eq=False):
    """A screen as it was read. size_px: width and height of the picture. captured_at_s: the picture's."""

    elements: tuple[Element, ...]
    size_px: tuple[int, int]
    captured_at_s: float
    brightness: ByteArray

    def element(self, number: int) -> Element | None:
        """The element of this id."""
        return next((e for e in self.elements if e.id == number), None)


def padded(box: Box, size_px: tuple[int, int], share: float = 0.25) -> Box:
    """A box with a margin of this share of its height, within the picture."""
    pad = max(2, round((box[3] - box[1]) * share))
    return max(0, box[0] - pad), max(0, box[1] - pad), min(size_px[0], box[2] + pad), min(size_px[1], box[3] + pad)


def crop_of(pixels: ByteArray, box: Box) -> Crop:
    """How the picture looks in a box and a margin around it."""
    import cv2

    x0, y0, x1, y1 = padded(box, (pixels.shape[1], pixels.shape[0]))
    part = pixels[y0:y1, x0:x1]
    small = cv2.resize(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), _SIGNATURE, interpolation=cv2.INTER_AREA)
    return Crop(np.asarray(small), part.reshape(-1, 3).mean(axis=0, dtype=np.float32))


def kind_of(text: str) -> Kind:
    """What a line of text may be, by how it is written."""
    if _SAID.match(text):
        return "chat"
    words = plain(text).split()
    return "label" if len(words) <= MAX_LABEL_WORDS and len(text) <= MAX_LABEL_CHARS else "text"


def elements_of(pixels: ByteArray, words: Sequence[Word], options: Sequence[str] = ()) -> tuple[Element, ...]:
    """The elements of a picture u8 [h, w, 3] in which these words were read, from top to bottom.

    options: what the game itself says can be taken; the line that begins one is that option.
    """
    ordered = sorted(_whole_lines(pixels, words), key=lambda w: (w.box[1] // 8, w.box[0]))
    chat = _chat_lines(ordered)
    contrasts = [_contrast(pixels, word.box) for word in ordered]
    clear = max(contrasts, default=0.0)
    chosen = _selected(pixels, ordered)
    found = []
    for i, word in enumerate(ordered):
        kind: Kind = "chat" if i in chat else kind_of(word.text)
        state: State = "disabled" if contrasts[i] < _FAINT * clear else "selected" if i in chosen else "normal"
        option = _option(word.text, options)
        found.append(Element(i, word.text, word.box, crop_of(pixels, word.box), kind, state, word.confidence, option))
    return tuple(found)


def _whole_lines(pixels: ByteArray, words: Sequence[Word]) -> list[Word]:
    """The lines with text, those that were read in pieces put together: a piece alone hides what its line says.

    What stands in two fields beside each other, with an edge between them, stays apart.
    """
    found: list[Word] = []
    for word in sorted((w for w in words if plain(w.text)), key=lambda w: w.box[0]):
        near = (f for f in found if _goes_on(f.box, word.box) and not _is_parted(pixels, f.box, word.box))
        before = next(near, None)
        if before is None:
            found.append(word)
            continue
        found.remove(before)
        a, b = before.box, word.box
        box = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
        found.append(Word(f"{before.text} {word.text}", box, min(before.confidence, word.confidence)))
    return found


def _goes_on(a: Box, b: Box) -> bool:
    """True where b lies on the line of a, and no further to its right than the higher of the two is high."""
    heights = a[3] - a[1], b[3] - b[1]
    shared = min(a[3], b[3]) - max(a[1], b[1])
    return shared >= 0.6 * min(heights) and b[0] - a[2] <= _GAP * max(heights)


def _is_parted(pixels: ByteArray, a: Box, b: Box) -> bool:
    """True where an upright edge runs between two pieces over all of their common height."""
    y0, y1 = max(a[1], b[1]), min(a[3], b[3])
    gap = pixels[y0:y1, max(0, a[2] - 1) : b[0] + 1].mean(axis=2)
    if gap.shape[1] < _MIN_GAP_PX or gap.shape[0] == 0:
        return False
    steps = np.abs(np.diff(gap, axis=1)) > _EDGE
    return bool((steps.mean(axis=0) >= _EDGE_SHARE).any())


def _chat_lines(words: Sequence[Word]) -> set[int]:
    """Lines that somebody said, and those that lie directly below one at the same left edge and go on."""
    said = {i for i, word in enumerate(words) if _SAID.match(word.text)}
    for i, word in enumerate(words):
        height = word.box[3] - word.box[1]
        for j in tuple(said):
            above = words[j].box
            follows = 0 <= word.box[1] - above[3] < 0.6 * height and abs(word.box[0] - above[0]) < height
            if follows and kind_of(word.text) != "label":
                said.add(i)
    return said


def _contrast(pixels: ByteArray, box: Box) -> float:
    """How far the ink of a text lies from its ground in brightness."""
    x0, y0, x1, y1 = box
    part = pixels[y0:y1, x0:x1].mean(axis=2)
    if part.size == 0:
        return 0.0
    low, middle, high = np.percentile(part, (4, 50, 96))
    return float(max(high - middle, middle - low))


def _selected(pixels: ByteArray, words: Sequence[Word]) -> set[int]:
    """Words whose surroundings differ from those of all others of about their height, as a mark on one of them does."""
    rings = [_ring(pixels, word.box) for word in words]
    heights = [word.box[3] - word.box[1] for word in words]
    found = set()
    for i, ring in enumerate(rings):
        like = [rings[j] for j in range(len(words)) if j != i and 0.7 < heights[j] / max(1, heights[i]) < 1.4]
        if len(like) < 2:
            continue
        middle = np.median(like, axis=0)
        spread = float(np.median([np.abs(r - middle).max() for r in like]))
        if np.abs(ring - middle).max() > max(_STANDS_OUT, 4 * spread):
            found.add(i)
    return found


def _ring(pixels: ByteArray, box: Box) -> NDArray[np.float32]:
    """The brightest and the mean colour between a text and three quarters of its height around it, f32 [6]."""
    h, w = pixels.shape[:2]
    far = round(0.75 * (box[3] - box[1]))
    x0, y0, x1, y1 = max(0, box[0] - far), max(0, box[1] - far), min(w, box[2] + far), min(h, box[3] + far)
    strips = [pixels[y0 : box[1], x0:x1], pixels[box[3] : y1, x0:x1]]
    ring = np.concatenate([s.reshape(-1, 3) for s in strips]) if any(s.size for s in strips) else np.zeros((1, 3))
    top = np.percentile(ring, 97, axis=0)
    return np.concatenate([top, ring.mean(axis=0)]).astype(np.float32)


def _option(text: str, options: Sequence[str]) -> int | None:
    """The option of the game that a line of the screen begins, None where it begins none."""
    line = skeleton(text)
    if len(line) < 3:
        return None
    for i, option in enumerate(options):
        if skeleton(option).startswith(line):
            return i
    return None
