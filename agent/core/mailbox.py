"""Mailboxes of the event loop: one slot where the newest wins, and a bounded queue that another thread fills.

What a slow reader misses is counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A single-slot mailbox for one reader on one event loop.

    Owns no task. `overwritten` counts values that were replaced before anyone took them.
    """

    __slots__ = ("_value", "_full", "_waiter", "overwritten", "put_total")

    def __init__(self) -> None:
        self._value: T | None = None
        self._full = False
        self._waiter: asyncio.Future[None] | None = None
        self.overwritten = 0
        self.put_total = 0

    def put(self, value: T) -> T | None:
        """Store the newest value; returns the one it replaced, if nobody had taken that."""
        replaced = self._value if self._full else None
        if self._full:
            self.overwritten += 1
        self._value = value
        self._full = True
        self.put_total += 1
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        return replaced

    def take(self) -> T | None:
        """The value if there is one, leaving the slot empty; None otherwise."""
        if not self._full:
            return None
        value, self._value, self._full = self._value, None, False
        return value

    async def get(self) -> T:
        """Wait for a value and take it."""
        while not self._full:
            if self._waiter is not None and not self._waiter.done():
                raise RuntimeError("Latest has one reader; a second one called get()")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        value, self._value, self._full = self._value, None, False
        return value  # type: ignore[return-value]


class ThreadQueue(Generic[T]):
    """A bounded queue from one thread to one reader on one event loop; where it is full the oldest value goes.

    Owns no task. `dropped` counts the values that went.
    """

    def __init__(self, max_waiting: int) -> None:
        self.dropped = 0
        self._values: deque[T] = deque(maxlen=max_waiting)
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._values)

    def put(self, value: T) -> None:
        """Queue a value; from any one thread."""
        self.dropped += len(self._values) == self._values.maxlen
        self._values.append(value)
        waiter = self._waiter
        if waiter is not None and not waiter.get_loop().is_closed():
            waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    async def get(self) -> T:
        """Wait for the oldest value and take it."""
        while not self._values:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                if not self._values:
                    await self._waiter
            finally:
                self._waiter = None
        return self._values.popleft()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
