"""Rehearse the path of a packet shortly before the next one is due, where that is measured to make answers sooner.

Between two packets other programs use the processor, and the next step begins with cold caches. A rehearsal computes
once more what is already answered, and throws the result away. Whether that helps depends on the machine and on what
else runs, so play measures it all the time: blocks of answers with rehearsals alternate with blocks without. Owns one
timer of the loop; must not import a link or a learner.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any, Final, Protocol, TypeAlias

import structlog

from agent.concurrency.supervise import Failure, attempt
from agent.core.clock import Clock
from agent.core.types import Observation

BLOCK_ANSWERS: Final = 12
"""Answers of one block, of the game that answers most; a multiple of the usual packets between two pictures, so that
both kinds meet as many."""
PAIRS: Final = 8
"""So many differences between neighbouring blocks, one with and one without, decide."""
SELDOM: Final = 8
"""One block in so many is of the kind that was not chosen."""
MIN_GAIN_S: Final = 2e-5
"""What rehearsing must gain an answer."""
LEAD_S: Final = 0.0022
"""So long before the next packet a rehearsal is asked for. Timers of the loop fire up to a millisecond late."""
LATEST_S: Final = 0.0007
"""One that would begin later than this before the packet is left out."""
MIN_PERIOD_S: Final = 0.006
"""Packets that come faster than this keep the caches warm by themselves."""


class Planned(Protocol):
    """A call that is planned."""

    def cancel(self) -> None:
        """It is not made."""
        ...


Later: TypeAlias = Callable[[float, Callable[[], None]], Planned]
log = structlog.get_logger(__name__)


def _on_loop(delay_s: float, call: Callable[[], None]) -> Planned:
    return asyncio.get_running_loop().call_later(delay_s, call)


class Rehearsals:
    """Decides when to rehearse, and does it.

    rehearse: computes the answer to an observation once more, without any effect; one that raises is never called
    again. later: calls a function after so many seconds, unless what it returns is cancelled.
    """

    def __init__(self, clock: Clock, rehearse: Callable[[Observation], None], later: Later = _on_loop) -> None:
        self.is_chosen = False
        self._clock, self._later = clock, later
        self._rehearse: Callable[[Observation], None] | None = rehearse
        self._timer: Planned | None = None
        self._done, self._too_late = 0, 0
        self._is_on = False
        self._responses_s: dict[int, list[float]] = {}
        self._blocks = 0
        self._was_on = False
        self._before_s: dict[int, float] = {}
        self._gains_s: deque[float] = deque(maxlen=PAIRS)

    def answered(self, observation: Observation, sent_at_s: float, period_s: float) -> None:
        """Hear of an answer, and plan a rehearsal for the packet after it. period_s: between packets."""
        self.rest()
        if self._rehearse is None or period_s < MIN_PERIOD_S:
            return
        run = observation.state.run
        captured_s = run.capture_time_us * 1e-6 if run is not None else observation.received_at_s
        responses_s = self._responses_s.setdefault(observation.game, [])
        responses_s.append(sent_at_s - captured_s)
        if len(responses_s) == BLOCK_ANSWERS:
            self._end_block()
        if self._is_on:
            due_s = observation.received_at_s + period_s
            wait_s = due_s - LEAD_S - self._clock.now_s()
            self._timer = self._later(max(0.0, wait_s), lambda: self._run(observation, due_s))

    @property
    def is_planned(self) -> bool:
        """True while a rehearsal waits for its time."""
        return self._timer is not None

    def rest(self) -> None:
        """Forget the rehearsal that is planned."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def status(self) -> dict[str, Any]:
        """Whether rehearsals are chosen, how many ran, how many came too late, and what one gains an answer, µs."""
        return {
            "chosen": self.is_chosen,
            "done": self._done,
            "too_late": self._too_late,
            "gain_us": round(median(self._gains_s) * 1e6, 1) if self._gains_s else None,
        }

    def _run(self, observation: Observation, due_s: float) -> None:
        self._timer = None
        rehearse = self._rehearse
        if rehearse is None:
            return
        if self._clock.now_s() > due_s - LATEST_S:
            self._too_late += 1
            return
        found = attempt(lambda: rehearse(observation))
        if isinstance(found, Failure):
            self._rehearse = None
            log.warning("rehearsal_failed", reason=found.reason)
        self._done += 1

    def _end_block(self) -> None:
        """Compare a block with the one before, where that was of the other kind, and choose the kind of the next.

        Only neighbours of one game are compared: each game has its own clock, and that may drift. A game with less than
        half a block of answers is left out.
        """
        medians_s = {game: median(r) for game, r in self._responses_s.items() if 2 * len(r) >= BLOCK_ANSWERS}
        self._responses_s.clear()
        gains_s = [self._before_s[game] - now_s for game, now_s in medians_s.items() if game in self._before_s]
        if gains_s and self._was_on != self._is_on:
            self._gains_s.append(median(gains_s) if self._is_on else -median(gains_s))
        self._was_on, self._before_s = self._is_on, medians_s
        self._blocks += 1
        if len(self._gains_s) < PAIRS:
            self._is_on = not self._is_on
            return
        chosen = median(self._gains_s) >= MIN_GAIN_S
        if chosen != self.is_chosen:
            self.is_chosen = chosen
            log.info("rehearsals", **self.status())
        self._is_on = chosen != (self._blocks % SELDOM == 0)
