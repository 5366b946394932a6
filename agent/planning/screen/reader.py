"""Reads screens for a session: finds what changed, has that read by the reading process, and joins it to elements."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from agent.concurrency.child import Child
from agent.concurrency.frames import Message
from agent.concurrency.lane import Lane
from agent.core.clock import Clock
from agent.core.types import ByteArray, FloatArray, Frame
from agent.planning.screen.changes import brightness, changed_boxes, overlap
from agent.planning.screen.elements import Screen, elements_of, padded
from agent.planning.screen.messages import Box, Embed, Open, Opened, ReadPicture, Vectors, Word, Words

READ_S: Final = 20.0
"""A picture may take so long; the first one loads the models."""
OPEN_S: Final = 60.0
EMBEDDED: Final = 4096
A = TypeVar("A", bound=Message)


class Caller(Protocol):
    """Whoever carries a call to the process that reads."""

    async def call(
        self, message: Message, answer: type[A], payload: bytes = b"", *, timeout_s: float | None = None
    ) -> tuple[A, bytes]:
        """The answer and its payload; raises AgentError."""
        ...

    def close(self) -> None:
        """Let go of the process."""
        ...


def reading_child() -> Child:
    """The process that reads, which the first call starts."""
    return Child("screen reader", "agent.planning.screen.reader_child", max_waiting=4)


class ScreenReader:
    """Reads the screens of a session's games; of each picture only what changed since the one before of its game.

    lane: compares pictures; one of its own where none is given.
    """

    def __init__(self, caller: Caller, clock: Clock, lane: Lane | None = None) -> None:
        self._caller, self._clock = caller, clock
        self._lane = lane or Lane("screens")
        self._last: dict[int, tuple[ByteArray, tuple[Word, ...]]] = {}
        self._vectors: OrderedDict[tuple[str, bool], FloatArray] = OrderedDict()
        self.opened: Opened | None = None
        self.counts = {"screens": 0, "whole": 0, "parts": 0, "unchanged": 0}
        self.cpu_s = self.took_s = 0.0

    async def open(self) -> Opened:
        """Load what reads; `why` says where nothing does. Raises AgentError where the process cannot be used."""
        if self.opened is None:
            opened, _ = await self._caller.call(Open(), Opened, timeout_s=OPEN_S)
            self.opened = opened
        return self.opened

    async def read(self, game: int, frame: Frame, options: Sequence[str] = (), *, anew: bool = False) -> Screen:
        """The elements of a game's picture. anew: read it whole. Raises AgentError."""
        began_s, pixels = self._clock.now_s(), frame.pixels
        before = None if anew else self._last.get(game)
        grey, boxes, payload, kept = await self._lane.run(lambda: _to_read(pixels, before))
        words = list(kept)
        if boxes:
            words += await self._words(boxes, pixels.shape[0], payload, whole=boxes == [_whole(pixels)])
        self._count(boxes, pixels)
        self._last[game] = grey, tuple(words)
        elements = await self._lane.run(lambda: elements_of(pixels, words, options))
        self.took_s = self._clock.now_s() - began_s
        return Screen(elements, (pixels.shape[1], pixels.shape[0]), frame.captured_at_s, grey)

    async def _words(self, boxes: Sequence[Box], height_px: int, payload: bytes, *, whole: bool) -> list[Word]:
        """The words in these parts of a picture that is so high; raises AgentError."""
        ask = ReadPicture(boxes=tuple(boxes), height_px=height_px, whole=whole)
        answer, _ = await self._caller.call(ask, Words, payload, timeout_s=READ_S)
        self.cpu_s += answer.cpu_s
        return list(answer.words)

    async def text_in(self, pixels: ByteArray, box: Box) -> str:
        """All text in a box and a margin around it, read anew; raises AgentError."""
        around = padded(box, (pixels.shape[1], pixels.shape[0]), 0.35)
        x0, y0, x1, y1 = around
        words = await self._words([around], pixels.shape[0], pixels[y0:y1, x0:x1].tobytes(), whole=False)
        return " ".join(word.text for word in words)

    async def text_of_change(self, before: ByteArray, after: ByteArray) -> str:
        """The text where one picture differs from the other, "" where nothing or nearly all does; raises AgentError."""
        boxes = await self._lane.run(lambda: changed_boxes(brightness(before), brightness(after)))
        if not boxes or boxes == [_whole(after)]:
            return ""
        payload = b"".join(after[y0:y1, x0:x1].tobytes() for x0, y0, x1, y1 in boxes)
        return " ".join(word.text for word in await self._words(boxes, after.shape[0], payload, whole=False))

    async def vectors(self, texts: Sequence[str], *, is_goal: bool = False) -> FloatArray | None:
        """Embeddings f32 [n, size] of length 1, kept by text; None where nothing embeds. Raises AgentError."""
        missing = tuple(dict.fromkeys(t for t in texts if (t, is_goal) not in self._vectors))
        if missing:
            answer, payload = await self._caller.call(Embed(texts=missing, is_goal=is_goal), Vectors, timeout_s=READ_S)
            if answer.size == 0:
                return None
            rows = np.frombuffer(payload, "<f4").reshape(len(missing), answer.size)
            self._vectors |= {(text, is_goal): row for text, row in zip(missing, rows, strict=True)}
        found = np.stack([self._vectors[text, is_goal] for text in texts])
        while len(self._vectors) > EMBEDDED:
            self._vectors.popitem(last=False)
        return found

    def forget(self, game: int) -> None:
        """The next picture of this game is read whole."""
        self._last.pop(game, None)

    def _count(self, boxes: Sequence[Box], pixels: ByteArray) -> None:
        self.counts["screens"] += 1
        self.counts["whole" if list(boxes) == [_whole(pixels)] else "parts" if boxes else "unchanged"] += 1

    async def leave(self) -> None:
        """Let go of the process, off the loop."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Let go of the process and the thread."""
        self._lane.close()
        self._caller.close()

    def status(self) -> dict[str, Any]:
        """What reads, and what it took."""
        opened = self.opened
        return {
            "engine": opened.engine if opened is not None else "", "embeds": opened is not None and opened.embeds,
            **self.counts, "cpu_s": round(self.cpu_s, 2), "last_took_s": round(self.took_s, 3),
        }  # fmt: skip


def _to_read(
    pixels: ByteArray, before: tuple[ByteArray, tuple[Word, ...]] | None
) -> tuple[ByteArray, list[Box], bytes, tuple[Word, ...]]:
    """A picture's brightness, the boxes to read with their bytes, and the words that are known to stand as before."""
    grey, whole = brightness(pixels), _whole(pixels)
    if before is None:
        return grey, [whole], np.ascontiguousarray(pixels).tobytes(), ()
    boxes = changed_boxes(before[0], grey, [word.box for word in before[1]])
    if boxes == [whole]:
        return grey, boxes, np.ascontiguousarray(pixels).tobytes(), ()
    kept = tuple(word for word in before[1] if not any(overlap(word.box, box) for box in boxes))
    payload = b"".join(pixels[y0:y1, x0:x1].tobytes() for x0, y0, x1, y1 in boxes)
    return grey, boxes, payload, kept


def _whole(pixels: ByteArray) -> Box:
    return 0, 0, pixels.shape[1], pixels.shape[0]
