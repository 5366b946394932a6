"""The only clock: monotonic, injected everywhere, virtual in tests."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

TICK_HZ: Final = 60
"""Steps of the game a second; a policy's times are told in them."""
TICK_S: Final = 1 / TICK_HZ


class Clock(Protocol):
    """Seconds on a monotonic scale, and a way to wait on the same scale."""

    def now_s(self) -> float:
        """Monotonic seconds; only differences mean anything."""
        ...

    def wall_utc_ns(self) -> int:
        """Wall-clock nanoseconds since the epoch: an annotation, never used for intervals."""
        ...

    def suspended_s(self) -> float:
        """Seconds that this machine has been suspended since boot, 0 where it cannot be told."""
        ...

    async def sleep_until(self, deadline_s: float) -> None:
        """Return at or after `deadline_s` on this clock."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic_ns() * 1e-9

    def wall_utc_ns(self) -> int:
        return time.time_ns()

    def suspended_s(self) -> float:
        if not hasattr(time, "CLOCK_BOOTTIME"):
            return 0.0
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)

    async def sleep_until(self, deadline_s: float) -> None:
        await asyncio.sleep(max(0.0, deadline_s - self.now_s()))


class VirtualClock:
    """A clock that tests move by hand; sleepers wake in the order of their deadlines."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self.wall_offset_ns = 0
        self.suspended_total_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self._now_s

    def wall_utc_ns(self) -> int:
        return int(self._now_s * 1e9) + self.wall_offset_ns

    def suspended_s(self) -> float:
        return self.suspended_total_s

    async def sleep_until(self, deadline_s: float) -> None:
        if deadline_s <= self._now_s:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((deadline_s, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking sleepers one deadline at a time and letting them run."""
        target_s = self._now_s + seconds
        while True:
            due = sorted((s for s in self._sleepers if s[0] <= target_s), key=lambda s: s[0])
            if not due:
                break
            deadline_s, future = due[0]
            self._sleepers.remove(due[0])
            self._now_s = max(self._now_s, deadline_s)
            if not future.done():
                future.set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._now_s = target_s
        await asyncio.sleep(0)
