"""One thread that runs one thing at a time, in order: `await lane.run(fn)`.

Owns its thread. Work that was begun always ends; a caller that is cancelled only stops waiting for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Runner(Protocol):
    """Whoever runs one thing at a time, in order."""

    async def run(self, fn: Callable[[], T]) -> T:
        """The result of `fn`, once it was its turn."""
        ...


class Lane:
    """A single worker thread with a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._unfinished: set[Future[Any]] = set()

    @property
    def is_idle(self) -> bool:
        """True while nothing runs or waits here."""
        return not self._unfinished

    def submit(self, fn: Callable[[], T]) -> Future[T]:
        """Queue `fn` behind what was queued before."""
        future = self._executor.submit(fn)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def start(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        """Queue `fn`; the result is a future of the running loop."""
        return asyncio.wrap_future(self.submit(fn))

    async def run(self, fn: Callable[[], T]) -> T:
        """Queue `fn` and wait for its result."""
        return await self.start(fn)

    def close(self) -> None:
        """Let what runs end, drop what waits, and end the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Lane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
