"""What happened, as events: the newest thousand are kept, and readers follow without end.

A reader that is slower than the events is told how many it missed. For one event loop; owns no task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from agent.core.clock import Clock

KEEP: Final = 1000
QUEUE: Final = 256


class Event(msgspec.Struct, frozen=True):
    """One event; `ts` is seconds since 1970, an annotation. `payload` is JSON that nobody here looks into."""

    event_id: int
    event_type: str
    instance_id: str
    message: str
    ts: float
    payload: msgspec.Raw


class Gap(msgspec.Struct, frozen=True):
    """Events that a slow reader did not get: how many, and the last of them."""

    missed: int
    last_id: int


class Reader:
    """One follower's queue."""

    def __init__(self, maximum: int) -> None:
        self._queue: deque[Event] = deque()
        self._maximum = maximum
        self._missed = self._last_missed = 0
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Queue an event; where the queue is full the oldest goes and is counted."""
        if len(self._queue) >= self._maximum:
            self._last_missed = self._queue.popleft().event_id
            self._missed += 1
        self._queue.append(event)
        self._arrived.set()

    async def next(self) -> Event | Gap:
        """The next event, or a gap before it."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        if self._missed:
            gap, self._missed = Gap(self._missed, self._last_missed), 0
            return gap
        return self._queue.popleft()


class EventLog:
    """The newest events, and whoever follows them."""

    def __init__(self, clock: Clock, *, keep: int = KEEP) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=keep)
        self._readers: set[Reader] = set()
        self._next_id = 1

    def add(self, event_type: str, message: str, payload: Any = None, instance_id: str = "") -> Event:
        """Log an event of this process's own."""
        return self.add_raw(event_type, message, msgspec.json.encode(payload), instance_id)

    def add_raw(self, event_type: str, message: str, payload: bytes, instance_id: str) -> Event:
        """Log an event whose payload is JSON already."""
        event = Event(
            self._next_id, event_type, instance_id, message, self._clock.wall_utc_ns() * 1e-9, msgspec.Raw(payload)
        )
        self._next_id += 1
        self._events.append(event)
        for reader in self._readers:
            reader.put(event)
        return event

    def newest(self, limit: int) -> list[Event]:
        """The newest events, oldest first."""
        skip = max(0, len(self._events) - limit)
        return list(self._events)[skip:]

    @property
    def readers(self) -> int:
        """How many follow."""
        return len(self._readers)

    @contextmanager
    def follow(self, *, maximum: int = QUEUE) -> Iterator[Reader]:
        """Every event from now on."""
        reader = Reader(maximum)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
