"""What happened, as events: the newest thousand are kept, within so many bytes, and readers follow without end.

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
from agent.http.snapshots import without_folders

KEEP: Final = 1000
KEEP_BYTES: Final = 16 << 20
ANSWER_BYTES: Final = 4 << 20
QUEUE: Final = 256
QUEUE_BYTES: Final = 4 << 20


class Event(msgspec.Struct, frozen=True):
    """One event; `ts` is seconds since 1970, an annotation. `payload` is JSON that nobody here looks into."""

    event_id: int
    event_type: str
    instance_id: str
    message: str
    ts: float
    payload: msgspec.Raw


class Written(msgspec.Struct, frozen=True):
    """An event with its JSON, written once for all readers."""

    event: Event
    json: bytes


class Gap(msgspec.Struct, frozen=True):
    """Events that a slow reader did not get: how many, and the last of them."""

    missed: int
    last_id: int


class _Newest:
    """The newest events: at most `keep` of them and, but for the very newest, `keep_bytes` of JSON."""

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self.items: deque[Written] = deque()
        self._keep, self._keep_bytes = keep, keep_bytes
        self.n_bytes = 0

    def add(self, item: Written) -> list[Written]:
        """Keep one more; what had to go."""
        self.items.append(item)
        self.n_bytes += len(item.json)
        gone = []
        while len(self.items) > self._keep or (self.n_bytes > self._keep_bytes and len(self.items) > 1):
            gone.append(self.pop())
        return gone

    def pop(self) -> Written:
        """Take the oldest."""
        item = self.items.popleft()
        self.n_bytes -= len(item.json)
        return item


class Reader:
    """One follower's queue."""

    def __init__(self, maximum: int) -> None:
        self._queue = _Newest(maximum, QUEUE_BYTES)
        self._missed = self._last_missed = 0
        self._arrived = asyncio.Event()

    def miss(self, events: int, last_id: int) -> None:
        """Count events that went before they could be queued."""
        if events:
            self._missed, self._last_missed = self._missed + events, last_id
            self._arrived.set()

    def put(self, item: Written) -> None:
        """Queue an event; where the queue is full the oldest go and are counted."""
        for gone in self._queue.add(item):
            self._last_missed = gone.event.event_id
            self._missed += 1
        self._arrived.set()

    async def next(self) -> Written | Gap:
        """The next event, or a gap before it."""
        while not self._queue.items and not self._missed:
            self._arrived.clear()
            await self._arrived.wait()
        if self._missed:
            gap, self._missed = Gap(self._missed, self._last_missed), 0
            return gap
        return self._queue.pop()


class EventLog:
    """The newest events, and whoever follows them."""

    def __init__(self, clock: Clock, *, keep: int = KEEP, keep_bytes: int = KEEP_BYTES) -> None:
        self._clock = clock
        self._events = _Newest(keep, keep_bytes)
        self._readers: set[Reader] = set()
        self._next_id = 1

    def add(self, event_type: str, message: str, payload: Any = None, instance_id: str = "") -> Event:
        """Log an event of this process's own, without the folders of full paths."""
        plain = msgspec.json.encode(without_folders(payload))
        return self.add_raw(event_type, without_folders(message), plain, instance_id)

    def add_raw(self, event_type: str, message: str, payload: bytes, instance_id: str) -> Event:
        """Log an event whose payload is JSON already."""
        event = Event(
            self._next_id, event_type, instance_id, message, self._clock.wall_utc_ns() * 1e-9, msgspec.Raw(payload)
        )
        self._next_id += 1
        item = Written(event, msgspec.json.encode(event))
        self._events.add(item)
        for reader in self._readers:
            reader.put(item)
        return event

    def newest(self, limit: int) -> list[Event]:
        """The newest events, oldest first."""
        skip = max(0, len(self._events.items) - limit)
        return [item.event for item in self._events.items][skip:]

    def newest_json(self, limit: int, max_bytes: int = ANSWER_BYTES) -> bytes:
        """The newest events as JSON, oldest first: at most `limit`, as many as fit and at least the newest."""
        chosen: list[bytes] = []
        n_bytes = 0
        for item in reversed(self._events.items):
            n_bytes += len(item.json)
            if len(chosen) >= limit or (chosen and n_bytes > max_bytes):
                break
            chosen.append(item.json)
        return b'{"events":[' + b",".join(reversed(chosen)) + b"]}"

    @property
    def n_bytes(self) -> int:
        """Bytes of JSON that are kept."""
        return self._events.n_bytes

    @property
    def readers(self) -> int:
        """How many follow."""
        return len(self._readers)

    @contextmanager
    def follow(self, *, maximum: int = QUEUE, after: int | None = None) -> Iterator[Reader]:
        """Every event from now on; `after`: and those that are kept of a number above it, or a gap for what is not."""
        reader = Reader(maximum)
        if after is not None:
            kept = [item for item in self._events.items if item.event.event_id > after]
            first = kept[0].event.event_id if kept else self._next_id
            reader.miss(max(0, first - 1 - after), first - 1)
            for item in kept:
                reader.put(item)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
