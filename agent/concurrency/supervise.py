"""The one place that may catch any exception: a part that fails is parked and named, and play goes on.

`attempt` turns one failure into a value; a `Supervisor` restarts a part of the session, at most five times in ten
minutes, then parks it with its reason.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog

from agent.core.clock import Clock

T = TypeVar("T")
MAX_RESTARTS: Final = 5
WITHIN_S: Final = 600.0
BACKOFF_S: Final = (0.1, 0.5, 2.0, 5.0, 10.0)
LOG_EVERY_S: Final = 10.0
log = structlog.get_logger(__name__)


class Failure(msgspec.Struct, frozen=True, eq=False):
    """What an attempt failed with; `reason` is one line without a traceback."""

    error: Exception
    reason: str

    def where(self) -> str:
        """File, line and function of the innermost frames, without their values."""
        frames = traceback.extract_tb(self.error.__traceback__)[-3:]
        return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)

    @staticmethod
    def of(error: Exception) -> Failure:
        """The failure of this error."""
        text = " ".join(str(error).split())
        return Failure(error, f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__)


def attempt(work: Callable[[], T]) -> T | Failure:
    """The result of `work`, or the failure that it ended with."""
    try:
        return work()
    except Exception as error:  # whatever a part raises becomes a value: this is the one room where that is done
        return Failure.of(error)


async def attempted(work: Awaitable[T]) -> T | Failure:
    """The result of awaiting `work`, or the failure that it ended with; a cancellation goes through."""
    try:
        return await work
    except Exception as error:  # whatever an awaited part raises becomes a value here, for its supervisor to judge
        return Failure.of(error)


class Supervisor:
    """Parts that may fail without ending play: how often each failed, and why which are parked."""

    def __init__(self, clock: Clock, on_park: Callable[[str, str], None] = lambda part, reason: None) -> None:
        self.parked: dict[str, str] = {}
        self.faults: dict[str, int] = {}
        self._clock = clock
        self._on_park = on_park
        self._logged_s: dict[str, float] = {}
        self._failures_s: dict[str, list[float]] = {}

    def fault(self, part: str, failure: Failure) -> None:
        """Count one failure, and park the part at the sixth in ten minutes; logs the first of each ten seconds."""
        self.faults[part] = self.faults.get(part, 0) + 1
        now_s = self._clock.now_s()
        recent_s = [s for s in self._failures_s.get(part, []) if now_s - s < WITHIN_S] + [now_s]
        self._failures_s[part] = recent_s
        if len(recent_s) > MAX_RESTARTS and part not in self.parked:
            self.park(part, f"failed {len(recent_s)} times in {WITHIN_S / 60:.0f} min: {failure.reason}")
        if now_s - self._logged_s.get(part, float("-inf")) >= LOG_EVERY_S:
            self._logged_s[part] = now_s
            log.warning("part_failed", part=part, reason=failure.reason, where=failure.where())

    def park(self, part: str, reason: str) -> None:
        """Name a part that no longer runs."""
        self.parked[part] = reason
        log.error("part_parked", part=part, reason=reason)
        self._on_park(part, reason)

    async def run(self, part: str, make: Callable[[], Awaitable[None]]) -> None:
        """Run a part until it returns; after each failure again, until it has failed too often."""
        while True:
            outcome = await attempted(make())
            if not isinstance(outcome, Failure):
                return
            self.fault(part, outcome)
            if part in self.parked:
                return
            await self._clock.sleep_until(self._clock.now_s() + BACKOFF_S[len(self._failures_s[part]) - 1])

    def status(self) -> dict[str, Any]:
        """Failures by part, and the parked parts with their reasons."""
        return {"faults": dict(self.faults), "parked": dict(self.parked)}
