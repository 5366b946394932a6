"""What a start does, said where it takes longer than three seconds: compiling, loading, waiting for a game.

Owns a thread that prints; nothing that it waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from rich.console import Console

from agent.core.clock import Clock

SLOW_S: Final = 3.0
SAY_EVERY_S: Final = 5.0
LOOK_S: Final = 0.5


class Starting:
    """A context around a start; `close` says that it is over, at the first action. Left before, it has failed.

    `say` tells what is done now, `also` what goes on beside it. Where something must be compiled, the start says so at
    once; else a line comes after SLOW_S, with each change and every SAY_EVERY_S.
    """

    def __init__(
        self, console: Console, clock: Clock, *, compiles: bool = False, also: Callable[[], str] = lambda: ""
    ) -> None:
        self._console, self._clock, self._compiles, self._also = console, clock, compiles, also
        self._what = "loading the program"
        self._over = threading.Event()
        self._is_given_up = False
        self._thread = threading.Thread(target=self._watch, name="starting", daemon=True)

    def say(self, what: str) -> None:
        """What is done from now on."""
        self._what = what

    def close(self) -> None:
        """The start is over; safe to call twice."""
        self._over.set()

    def _watch(self) -> None:
        begun_s = self._clock.now_s()
        said, said_s = "", begun_s
        if self._compiles:
            self._print("Compiling what has changed; this is done once and takes a minute or two.")
        elif self._over.wait(SLOW_S):
            return
        while True:
            now_s, doing = self._clock.now_s(), "; ".join(filter(None, (self._what, self._also())))
            if doing != said or now_s - said_s >= SAY_EVERY_S:
                said, said_s = doing, now_s
                self._print(f"starting, {now_s - begun_s:.0f} s: {doing}")
            if self._over.wait(LOOK_S):
                break
        if not self._is_given_up:
            self._print(f"started in {self._clock.now_s() - begun_s:.0f} s")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> Starting:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_given_up = not self._over.is_set()
        self.close()
        self._thread.join(SLOW_S)
