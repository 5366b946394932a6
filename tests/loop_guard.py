"""What no test may leave on an event loop: a call that blocks it, a task whose failure nobody looked at.

`install` lets loops of this process begin in debug mode, lets calls that block the loop raise where the program makes
them, and keeps what happened, since the supervisor catches every exception. Slow callbacks are logged and fail nothing:
a busy machine makes them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import blockbuster
from blockbuster import blockbuster as _module

MAY_BLOCK: Final[dict[str, dict[str, set[str]]]] = {
    "time.sleep": {
        "agent/session/act.py": {
            "_step"
        },  # a policy's step takes time on the loop by design; test doubles sleep so long
        "agent/concurrency/child.py": {"close"},  # a session's end: the loop has nothing left to do
    },
    "threading.Lock.acquire": {
        "agent/concurrency/child.py": {"close"},  # the same
        "agent/link/research.py": {"stop"},  # the heartbeat's thread wakes at once, and one beat writes eight bytes
    },
    "io.BufferedReader.read": {
        "agent/concurrency/child.py": {"rss_mb"},  # /proc is memory
        "agent/session/report.py": {"session_report"},  # the same, at a session's end
    },
}
"""Blocking function → file → functions of the program that may call it on a loop, each with its reason beside it."""
DEBUG_S: Final = 0.1
TESTS: Final = str(Path(__file__).parent) + os.sep
PROGRAM: Final = str(Path(__file__).parents[1] / "agent") + os.sep
found: Final[list[str]] = []


class Blocked(blockbuster.BlockingError):
    """A call that blocks the loop, with the place that made it."""

    def __init__(self, func: str) -> None:
        super().__init__(func)
        own = [f for f in traceback.extract_stack()[:-2] if f.filename.startswith(PROGRAM)]
        found.append(f"Blocking call to {func}\n" + "".join(traceback.format_list(own[-8:])))


class _Keep(logging.Handler):
    """Errors that asyncio can only log: exceptions that were never retrieved, callbacks that raised."""

    def emit(self, record: logging.LogRecord) -> None:
        found.append(self.format(record))


def install() -> blockbuster.BlockBuster:
    """Watch every loop that this process runs; returns what to deactivate."""
    run_in_debug_mode()
    logging.getLogger("asyncio").addHandler(_Keep(logging.ERROR))
    _module.BlockingError = Blocked  # type: ignore[misc]
    guard = blockbuster.BlockBuster("agent")
    for name, places in MAY_BLOCK.items():
        for file, functions in places.items():
            guard.functions[name].can_block_in(file, functions)
    for function in guard.functions.values():
        function.can_block_predicate = _or_of_the_test(function.can_block_predicate)
    guard.activate()
    return guard


def _or_of_the_test(may_block: Callable[..., bool]) -> Callable[..., bool]:
    return lambda *args, **others: may_block(*args, **others) or _called_by_a_test()


def _called_by_a_test() -> bool:
    """Whether a test that runs on the loop called a plain function of the program, which then need not keep it free."""
    outermost, frame = None, sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(PROGRAM):
            outermost = frame
        frame = frame.f_back  # type: ignore[assignment]
    if outermost is None or outermost.f_back is None:
        return False
    awaits = outermost.f_code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
    return not awaits and outermost.f_back.f_code.co_filename.startswith(TESTS)


def run_in_debug_mode() -> None:
    """Let `asyncio.run` begin in debug mode unless told otherwise; children that a test starts run as they always do.

    Debug mode makes a loop ten times as costly, since it keeps where every callback came from: after DEBUG_S it ends.
    """
    plain_init, plain_run = asyncio.Runner.__init__, asyncio.Runner.run

    def init(self: asyncio.Runner, *, debug: bool | None = None, **others: Any) -> None:
        plain_init(self, debug=True if debug is None else debug, **others)
        self._ends_debug = debug is None  # type: ignore[attr-defined]

    def run(self: asyncio.Runner, *args: Any, **others: Any) -> Any:
        if self._ends_debug:  # type: ignore[attr-defined]
            loop = self.get_loop()
            loop.call_later(DEBUG_S, loop.set_debug, False)
        return plain_run(self, *args, **others)

    asyncio.Runner.__init__ = init  # type: ignore[method-assign]
    asyncio.Runner.run = run  # type: ignore[method-assign]
