"""The safe mouse: a click is an element, its picture and a window; all three must be as they were when it is made.

Knows no game and no model. The first gate of refused words is `choose.pressable`, the second one is `confirm`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Literal

import msgspec

from agent.core.types import Frame
from agent.link.imaging import image_to_capture
from agent.planning.menus.words import Refused
from agent.planning.screen.elements import Crop, Element, Screen, crop_of
from agent.planning.screen.text import skeleton

MAX_CLICKS_HZ: Final = 4.0
MAX_CLICKS: Final = 30
"""In one way through menus."""
FRESH_S: Final = 0.25
"""A click is made on a picture that is no older."""
Verdict = Literal["ok", "refused", "changed", "old", "fast", "outside", "other window"]


class Click(msgspec.Struct, frozen=True, eq=False):
    """A click that is meant: the element, how it looked, and the size of the window that it was seen in.

    point_px: where, in pixels of the picture. free: no text stands there: an icon, or a point that a model
    named.
    """

    element: int
    text: str
    crop: Crop
    box: tuple[int, int, int, int]
    window_px: tuple[int, int]
    point_px: tuple[int, int]
    free: bool = False

    @property
    def read_box(self) -> tuple[int, int, int, int]:
        """Where the text is read anew: around a point so wide that no word is read in part."""
        if self.element >= 0:
            return self.box
        (w, h), (x, y) = self.window_px, self.point_px
        side_px, high_px = w // 6, h // 20
        return max(0, x - side_px), max(0, y - high_px), min(w, x + side_px), min(h, y + high_px)


def click_on(element: Element, screen: Screen) -> Click:
    """The click in the middle of an element."""
    return Click(element.id, element.text, element.crop, element.box, screen.size_px, element.centre)


class SafeMouse:
    """Says of each click whether it may be made, and counts why not. One for each game."""

    def __init__(self, refused: Refused) -> None:
        self.refused = refused
        self.verdicts: dict[str, int] = {}
        self.look_to_click_s: deque[float] = deque(maxlen=1000)
        self._made_s: deque[float] = deque(maxlen=int(MAX_CLICKS_HZ))

    def confirm(self, click: Click, frame: Frame, read: str) -> Verdict:
        """The second gate: the window and the picture are the same, and what is read there now may be pressed.

        read: the text at the element, read anew from this frame.
        """
        verdict = self._looks(click, frame)
        if verdict == "ok" and (self.refused.why(read) or self.refused.why(click.text)):
            verdict = "refused"
        if verdict == "ok" and not click.free and not _same_text(click.text, read):
            verdict = "changed"
        return self._counted(verdict)

    def may_click(self, click: Click, frame: Frame, now_s: float) -> Verdict:
        """The last look, just before the click: a fresh picture, the same window and element, and not too fast."""
        if now_s - frame.captured_at_s > FRESH_S:
            return self._counted("old")
        if len(self._made_s) == self._made_s.maxlen and now_s - self._made_s[0] < 1.0:
            return self._counted("fast")
        verdict = self._looks(click, frame)
        if verdict == "ok":
            self._made_s.append(now_s)
            self.look_to_click_s.append(now_s - frame.captured_at_s)
        return self._counted(verdict)

    def _looks(self, click: Click, frame: Frame) -> Verdict:
        h, w = frame.pixels.shape[:2]
        if (w, h) != click.window_px:
            return "other window"
        x, y = click.point_px
        if not (0 <= x < w and 0 <= y < h):
            return "outside"
        return "ok" if click.crop.same(crop_of(frame.pixels, click.box)) else "changed"

    def _counted(self, verdict: Verdict) -> Verdict:
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        return verdict

    def status(self) -> dict[str, Any]:
        """How often clicks were made or not, and from the look to the click."""
        times = sorted(self.look_to_click_s)
        seen = {"p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]} if times else {}
        return {"verdicts": dict(self.verdicts), "look_to_click_ms": {k: round(s * 1e3, 1) for k, s in seen.items()}}


def capture_point(click: Click, capture_px: tuple[int, int] | None) -> tuple[int, int]:
    """Where a click goes in the game's capture, origin bottom-left. capture_px: None where the game does not say."""
    return image_to_capture(*click.point_px, click.window_px, capture_px or click.window_px)


def _same_text(meant: str, read: str) -> bool:
    """True where the text that was meant is among what is read now; nothing to read is no proof of change."""
    from rapidfuzz.fuzz import partial_ratio

    if not read.strip() or not meant.strip():
        return not meant.strip()
    return bool(partial_ratio(skeleton(meant), skeleton(read)) >= 60)
