"""Where the policy's steps run: on the event loop while they are short, else on a lane.

A step on a lane waits for two changes of threads. A session begins on the lane and measures there, in play, how long
steps and changes take; short steps then move to the loop. Steps that become slow move back to the lane, so that they
hold up nothing else. Owns no thread; must not import a link or a learner.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any, Final, TypeVar

import structlog

from agent.concurrency.lane import Lane

SHORT_STEP_S: Final = 0.0003
"""A step of at most this moves to the loop, even where threads change faster."""
SLOW_STEP_S: Final = 0.004
SLOW_STEPS: Final = 6
WITHIN_STEPS: Final = 512
"""So many slow steps within so many, more than one in a hundred, move the policy to the lane."""
STUCK_S: Final = 0.1
"""One step of this moves it at once."""
FIRST_STEPS: Final = 64
"""Steps on the lane before the first decision."""
STEPS_AFTER_A_MOVE: Final = 3600
"""Steps on the lane before the decision after steps were slow on the loop; twice as many after each further time."""
T = TypeVar("T")
log = structlog.get_logger(__name__)


class StepRunner:
    """Runs one thing at a time: the policy's steps, and what must lie between two of them.

    may_move: false while steps must stay on the lane: a card computes them, or they are code that may wait or block.
    """

    def __init__(self, lane: Lane, may_move: Callable[[], bool] = lambda: True) -> None:
        self.on_loop = False
        self.moves = 0
        self._lane = lane
        self._may_move = may_move
        self._steps_s: deque[float] = deque(maxlen=WITHIN_STEPS)
        self._changes_s: deque[float] = deque(maxlen=WITHIN_STEPS)
        self._slow: deque[int] = deque(maxlen=SLOW_STEPS)
        self._count = 0
        self._decide_at = FIRST_STEPS
        self._patience = STEPS_AFTER_A_MOVE

    async def run(self, fn: Callable[[], T]) -> T:
        """Run `fn` between two steps; where steps run on the loop, at once."""
        return fn() if self.on_loop else await self._lane.run(fn)

    def start(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        """Queue a step on the lane; only while steps run there."""
        return self._lane.start(fn)

    def stepped(self, step_s: float, change_s: float = 0.0) -> None:
        """Hear of a step that returned to the loop, and decide where the next one runs.

        step_s: what the step took. change_s: what the changes of threads to and fro took, on the lane.
        """
        self._count += 1
        self._steps_s.append(step_s)
        if step_s > SLOW_STEP_S:
            self._slow.append(self._count)
        if self.on_loop:
            if step_s > STUCK_S or self._are_slow:
                self._to_lane(step_s)
            return
        self._changes_s.append(change_s)
        if self._count >= self._decide_at and self._lane.is_idle:
            self._decide_at = self._count + FIRST_STEPS
            if self._may_move() and not self._are_slow and self._are_short:
                self._to_loop()

    @property
    def _are_slow(self) -> bool:
        return len(self._slow) == SLOW_STEPS and self._count - self._slow[0] < WITHIN_STEPS

    @property
    def _are_short(self) -> bool:
        return median(self._steps_s) <= max(SHORT_STEP_S, median(self._changes_s))

    def _to_loop(self) -> None:
        self.on_loop = True
        self.moves += 1
        log.info("steps_on_loop", **self.status())

    def _to_lane(self, step_s: float) -> None:
        log.warning("steps_on_lane", slow_step_ms=round(step_s * 1e3, 3), **self.status())
        self.on_loop = False
        self.moves += 1
        self._decide_at, self._patience = self._count + self._patience, 2 * self._patience
        self._steps_s.clear()
        self._changes_s.clear()

    def status(self) -> dict[str, Any]:
        """Where steps run, and medians of what was measured, µs: of a step, and of the changes of threads."""
        return {
            "where": "loop" if self.on_loop else "lane",
            "step_us": _median_us(self._steps_s),
            "thread_change_us": _median_us(self._changes_s),
            "moves": self.moves,
        }


def _median_us(values_s: deque[float]) -> float | None:
    return round(median(values_s) * 1e6, 1) if values_s else None
