"""The event loop of a session: which one it is, and how signals stop it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from agent.concurrency.signals import answered
from agent.core.errors import AgentError
from agent.link.endpoint import Endpoint
from agent.link.links import Address


class Stopping:
    """Whether the session is to end, and `by` what: time, episodes, signal, silence, recording, caller or error."""

    def __init__(self) -> None:
        self.by = "error"
        self.signal: int | None = None
        self._event = asyncio.Event()

    def stop(self, by: str) -> None:
        """End the session soon; the first one says why."""
        if not self._event.is_set():
            self.by = by
            self._event.set()

    def stop_by_signal(self, number: int) -> None:
        """End the session soon, told so by this signal."""
        if not self._event.is_set():
            self.signal = number
        self.stop("signal")

    async def within(self, seconds: float | None) -> bool:
        """Wait for the end; False where it did not come in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return self._event.is_set()


@contextlib.contextmanager
def stopping_on_signals(stop: Callable[[int], None]) -> Iterator[None]:
    """Turn Ctrl-C, a polite kill and a closed terminal into `stop`, told the signal's number.

    What answered them before does so afterwards. Where the loop takes no handlers, Ctrl-C cancels it as usual.
    """
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}
    for number in answered():
        handler = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, stop, number)
        except (NotImplementedError, RuntimeError, ValueError):
            break
        before[number] = handler
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            if handler is not None:
                signal.signal(number, handler)


def new_event_loop(endpoints: tuple[Address, ...]) -> asyncio.AbstractEventLoop:
    """The loop to run on: Proactor where a named pipe is opened, else uvloop or winloop.

    Raises AgentError where a pipe is asked for off Windows.
    """
    if any(isinstance(e, Endpoint) and e.pipe is not None for e in endpoints):
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
