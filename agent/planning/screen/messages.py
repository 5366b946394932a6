"""What is said between a session and the process that reads screens; both ends import it."""

from __future__ import annotations

from typing import Final

import msgspec

from agent.concurrency.frames import Message

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the picture, origin top-left; x1 and y1 are outside."""
DOUBTFUL: Final = 0.80
"""Words that are read with less confidence are read again by the better model, at twice their size."""


class Word(msgspec.Struct, frozen=True):
    """One line of text as it was read. confidence: 0 … 1."""

    text: str
    box: Box
    confidence: float


class Open(Message, frozen=True):
    """Load what reads; answer: `Opened`."""


class Opened(Message, frozen=True):
    """Which engine reads, and whether texts can be embedded; `why` where nothing reads."""

    engine: str = ""
    embeds: bool = False
    why: str = ""


class ReadPicture(Message, frozen=True):
    """Read these parts of a picture; the payload is the picture's RGB bytes of each box, one after the other.

    height_px: of the whole picture; low ones are read larger. careful: read doubtful words again. Answer: `Words`.
    """

    boxes: tuple[Box, ...]
    height_px: int
    whole: bool = False
    careful: bool = True


class Words(Message, frozen=True):
    """What was read, in pixels of the whole picture. cpu_s: processor time that it took."""

    words: tuple[Word, ...]
    cpu_s: float = 0.0


class Embed(Message, frozen=True):
    """Embed these texts; answer: `Vectors`."""

    texts: tuple[str, ...]
    is_goal: bool = False


class Vectors(Message, frozen=True):
    """The payload has f32 [n, size], each of length 1; size 0 where nothing embeds."""

    size: int
    cpu_s: float = 0.0
