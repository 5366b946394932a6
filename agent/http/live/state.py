"""The state that the page shows: made at most ten times a second while somebody asks, and shared by all.

A state is the status, the games as they are now, and the newest events, with a number that grows. Owns no socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from agent.core.clock import Clock
from agent.http.events import EventLog
from agent.http.snapshots import Snapshots, Turn, next_turn, without_folders

STATE_S: Final = 0.1
EVENTS: Final = 24
GameView = tuple[dict[str, Any] | None, dict[str, Any] | None, dict[str, float]]
"""What goes on in one game: its scene, its decision, and how long each owner has acted."""


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
    """Makes states, a turn of the loop for each game. views: each game's scene, decision and seconds of owners.

    more: asked for what else belongs into a state; each value is plain. turn: awaited before each turn.
    """

    def __init__(
        self, snapshots: Snapshots, views: Sequence[Callable[[], GameView]], events: EventLog, clock: Clock,
        more: Callable[[], dict[str, Any]] = dict, turn: Turn = next_turn,
    ) -> None:  # fmt: skip
        self._snapshots, self._views, self._events, self._clock, self._more = snapshots, views, events, clock, more
        self._turn = turn
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
        games = list[Any]()
        for view in self._views:
            games.append(without_folders(view()))
            await self._turn()
        plain: dict[str, Any] = without_folders(self._more())
        plain |= {"scenes": [g[0] for g in games], "decisions": [g[1] for g in games], "owner_s": [g[2] for g in games]}
        self._number += 1
        await self._turn()
        return State({
            "number": self._number, "time_ns": time_ns, "status": status, **plain, "events": self._newest_events(),
        })  # fmt: skip

    def _newest_events(self) -> list[dict[str, Any]]:
        return [
            {"id": e.event_id, "kind": e.event_type, "message": e.message, "ts": e.ts, "instance": e.instance_id}
            for e in self._events.newest(EVENTS)
        ]
