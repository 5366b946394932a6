"""The event loop of a session: which one it is, and how signals stop it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator

from agent.core.errors import AgentError
from agent.link.links import Address
from agent.link.research import ResearchAddress


@contextlib.contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Turn Ctrl-C and a polite kill into `stop`; where the loop takes no handlers, Ctrl-C cancels it as usual."""
    loop = asyncio.get_running_loop()
    taken = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
            taken.append(number)
        except (NotImplementedError, RuntimeError, ValueError):
            break
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def new_event_loop(endpoints: tuple[Address, ...]) -> asyncio.AbstractEventLoop:
    """The loop to run on: Proactor where a named pipe is opened, else uvloop or winloop.

    Raises AgentError where a pipe is asked for off Windows.
    """
    if any(not isinstance(e, ResearchAddress) and e.pipe is not None for e in endpoints):
        if sys.platform != "win32":
            raise AgentError("pipe:// games exist on Windows only; use bonklink://HOST:PORT")
        return asyncio.ProactorEventLoop()
    if sys.platform == "win32":
        import winloop

        loop: asyncio.AbstractEventLoop = winloop.new_event_loop()
        return loop
    import uvloop

    loop = uvloop.new_event_loop()
    return loop
