"""Newest pictures as JPEGs with the instant of their capture: each is made once for all who watch its game."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from agent.concurrency.supervise import Failure, attempted
from agent.core.errors import ImageError
from agent.core.types import Frame
from agent.http.snapshots import SHOWN_PIXELS
from agent.link.imaging import encode_jpeg, shrink_to

MAX_GAMES: Final = 64


class Picture(msgspec.Struct, frozen=True):
    """A JPEG, and when the game captured what it shows, on this machine's monotonic clock."""

    jpeg: bytes
    captured_ns: int


class LivePictures:
    """`frame_of` tells a game's newest frame, None where it has none."""

    def __init__(self, frame_of: Callable[[int], Frame | None]) -> None:
        self._frame_of = frame_of
        self._made: dict[int, tuple[Frame, Picture | None]] = {}

    async def newest(self, game: int) -> Picture | None:
        """The newest picture of a game; None where there is none that can be shown. Encodes on another thread."""
        frame = self._frame_of(game)
        if frame is None:
            return None
        made = self._made.get(game)
        if made is not None and made[0] is frame:
            return made[1]
        found = await attempted(asyncio.to_thread(lambda: encode_jpeg(shrink_to(frame.pixels, SHOWN_PIXELS))))
        if isinstance(found, Failure):
            if not isinstance(found.error, ImageError):
                raise found.error
            picture = None
        else:
            picture = Picture(found, round(1e9 * frame.captured_at_s))
        self._made[game] = frame, picture
        return picture
