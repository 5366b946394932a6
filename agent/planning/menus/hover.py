"""Learn what icons without words are: move the mouse over each of them, and read what appears."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from agent.core.clock import Clock
from agent.core.types import ByteArray, Frame
from agent.planning.screen.elements import MAX_LABEL_CHARS, Element, Screen, crop_of
from agent.planning.screen.icons import icons
from agent.planning.screen.messages import Box
from agent.planning.screen.reader import ScreenReader

HOVER_S: Final = 0.12
"""A tooltip is there after so long, and in the first picture after that."""
NO_PICTURE_S: Final = 1.0
MOVED_S: Final = 3.0
"""A move of the mouse is made in this time."""
TOTAL_S: Final = 6.0
"""On one screen."""


class Hovers(Protocol):
    """Whoever moves the mouse in a game, and sees its pictures while the menu is the navigator's."""

    is_owned: bool
    is_busy: bool
    """The last move is still being made."""
    frame: Frame | None

    def point(self, at_px: tuple[int, int], window_px: tuple[int, int]) -> None:
        """Move the mouse there with the next observation."""
        ...


class Labelled(msgspec.Struct, frozen=True):
    """An icon, and what appeared when the mouse was over it."""

    box: Box
    text: str


async def label_icons(
    hovers: Hovers, screen: Screen, frame: Frame, reader: ScreenReader, clock: Clock
) -> tuple[Labelled, ...]:
    """The icons of a screen about which something appeared under the mouse; raises AgentError.

    The mouse ends in the corner, where it covers nothing.
    """
    found = []
    until_s = clock.now_s() + TOTAL_S
    for box in icons(screen.brightness, [e.box for e in screen.elements]):
        if clock.now_s() > until_s:
            break
        hovers.point(((box[0] + box[2]) // 2, (box[1] + box[3]) // 2), screen.size_px)
        seen = await _next_picture(hovers, clock)
        if seen is None:
            break
        text = await reader.text_of_change(frame.pixels, seen.pixels)
        if 0 < len(text) <= MAX_LABEL_CHARS:
            found.append(Labelled(box, text))
    hovers.point((1, 1), screen.size_px)
    await _next_picture(hovers, clock)
    return tuple(found)


async def _next_picture(hovers: Hovers, clock: Clock) -> Frame | None:
    """The first picture that was captured `HOVER_S` from now or later; None where none comes."""
    await clock.sleep_until(clock.now_s() + HOVER_S)
    from_s, until_s = clock.now_s(), clock.now_s() + MOVED_S + NO_PICTURE_S
    while hovers.is_owned and clock.now_s() < until_s:
        if hovers.is_busy and clock.now_s() < until_s - NO_PICTURE_S:
            from_s = clock.now_s() + HOVER_S
        await clock.sleep_until(clock.now_s() + 0.02)
        frame = hovers.frame
        if frame is not None and frame.captured_at_s >= from_s:
            return frame
    return None


def with_icons(screen: Screen, pixels: ByteArray, labelled: tuple[Labelled, ...]) -> Screen:
    """The screen with its labelled icons as elements."""
    first = max((e.id for e in screen.elements), default=-1) + 1
    added = tuple(
        Element(first + i, icon.text, icon.box, crop_of(pixels, icon.box), "icon") for i, icon in enumerate(labelled)
    )
    return msgspec.structs.replace(screen, elements=screen.elements + added)
