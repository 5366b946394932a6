"""The state that the page shows: made at most ten times a second while somebody asks, and shared by all.

A state is the status, the games as they are now, and the newest events, with a number that grows. Owns no socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from agent.core.clock import Clock
from agent.http.events import EventLog
from agent.http.snapshots import Snapshots, without_folders

STATE_S: Final = 0.1
EVENTS: Final = 24


class State:
    """One state: its values, when it was made on this machine's monotonic clock, and its bytes, written when asked."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.number: int = values["number"]
        self.time_ns: int = values["time_ns"]
        self._json = self._packed = b""

    @property
    def json(self) -> bytes:
        """As JSON."""
        self._json = self._json or msgspec.json.encode(self.values)
        return self._json

    @property
    def packed(self) -> bytes:
        """As MessagePack."""
        self._packed = self._packed or msgspec.msgpack.encode(self.values)
        return self._packed


class LiveState:
    """Makes states. `more` is asked for what else belongs into one; each value is plain."""

    def __init__(
        self, snapshots: Snapshots, view: Callable[[], dict[str, Any]], events: EventLog, clock: Clock,
        more: Callable[[], dict[str, Any]] = dict,
    ) -> None:  # fmt: skip
        self._snapshots, self._view, self._events, self._clock, self._more = snapshots, view, events, clock, more
        self._number = 0
        self._built_s = float("-inf")
        self._making: asyncio.Task[State] | None = None

    async def newest(self) -> State:
        """The newest state, no older than `STATE_S` when it was asked for."""
        now_s = self._clock.now_s()
        if self._making is None or (self._making.done() and now_s - self._built_s >= STATE_S):
            self._built_s = now_s
            self._making = asyncio.create_task(self._make(), name="live state")
        return await asyncio.shield(self._making)

    async def _make(self) -> State:
        status = await self._snapshots.plain()
        time_ns = round(1e9 * self._clock.now_s())
        view = self._view()
        await asyncio.sleep(0)  # answers of games that are ready go first
        plain: dict[str, Any] = without_folders({**view, **self._more()})
        self._number += 1
        return State({
            "number": self._number, "time_ns": time_ns, "status": status, **plain, "events": self._newest_events(),
        })  # fmt: skip

    def _newest_events(self) -> list[dict[str, Any]]:
        return [
            {"id": e.event_id, "kind": e.event_type, "message": e.message, "ts": e.ts, "instance": e.instance_id}
            for e in self._events.newest(EVENTS)
        ]
