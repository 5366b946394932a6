"""What a child prints, as lines for a log: bounded in length and number, without control characters."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final

from agent.core.clock import Clock

MAX_LINE_BYTES: Final = 500
_READ_BYTES: Final = 65536
_ENDS: Final = re.compile(rb"[\r\n]+")


def read_lines(descriptor: int, take: Callable[[str], None]) -> None:
    """Give `take` each line until the stream ends; blocks.

    A line ends with a line feed or a carriage return, empty ones are left out. Of a long one the first MAX_LINE_BYTES
    are given and the rest is left out; bytes that are no UTF-8 and control characters are shown as escapes.
    """
    kept = b""
    while data := os.read(descriptor, _READ_BYTES):
        *lines, last = _ENDS.split(data)
        for line in lines:
            _give(kept + line, take)
            kept = b""
        kept += last[: MAX_LINE_BYTES + 1 - len(kept)]
    _give(kept, take)


def _give(line: bytes, take: Callable[[str], None]) -> None:
    if line:
        cut = "…" if len(line) > MAX_LINE_BYTES else ""
        take(printable(line[:MAX_LINE_BYTES].decode("utf-8", "backslashreplace")) + cut)


def printable(text: str) -> str:
    """The text with everything that a terminal would obey or hide as an escape."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


class LineLog:
    """Passes on `max_lines` lines in `within_s`; what is more is counted, and said with the next one passed on."""

    def __init__(
        self, log: Callable[[str, int], None], clock: Clock, *, max_lines: int = 20, within_s: float = 10.0
    ) -> None:
        """`log` takes a line and how many were left out before it."""
        self.last = ""
        self._log, self._clock = log, clock
        self._max_lines, self._within_s = max_lines, within_s
        self._from_s, self._count, self._left_out = float("-inf"), 0, 0

    def take(self, line: str) -> None:
        """One line; `last` is the newest."""
        self.last = line
        now_s = self._clock.now_s()
        if now_s - self._from_s >= self._within_s:
            self._from_s, self._count = now_s, 0
        if self._count >= self._max_lines:
            self._left_out += 1
            return
        self._count += 1
        left_out, self._left_out = self._left_out, 0
        self._log(line, left_out)
