"""The dead man's hand: goes neutral when packets stop, measures how late the loop is, and wakes the watchdog.

Owns no task and no socket.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from agent.concurrency.streams import SaidStream
from agent.core.clock import TICK_S, Clock
from agent.core.latency import Latency, Stage
from agent.session.act import Seat

DUMP_AFTER_S = 1.0
EXIT_AFTER_S = 5.0
EXIT_CODE = 70
HAS_CPU_TIMER = hasattr(signal, "ITIMER_PROF")
_LAG_FLOOR_S = 0.002


async def guard(seats: Sequence[Seat], clock: Clock, latency: Latency, alive: Callable[[], None]) -> None:
    """Every tick: one neutral action for each game whose newest packet is too old; ends by cancellation.

    `alive` is called each tick, for a watchdog. Ticks that the loop missed are counted and skipped.
    """
    due_s = clock.now_s() + TICK_S
    while True:
        await clock.sleep_until(due_s)
        now_s = clock.now_s()
        late_s = now_s - due_s
        latency.record(Stage.LOOP_LAG, max(0.0, late_s))
        if late_s > _LAG_FLOOR_S:
            latency.lag_pauses.add(due_s, now_s)
        missed = int(late_s / TICK_S)
        if missed:
            latency.count("missed_ticks", missed)
        due_s += TICK_S * (missed + 1)
        alive()
        for seat in seats:
            _neutral_if_stale(seat, now_s, latency)


def _neutral_if_stale(seat: Seat, now_s: float, latency: Latency) -> None:
    feed = seat.feed
    if not feed.real_time or feed.last_packet_s is None or now_s - feed.last_packet_s <= feed.lifespan_s:
        return
    feed.disarm()
    if not seat.is_neutral and seat.send_neutral():
        latency.count("neutral_actions")


class CollectionTimer:
    """Records every garbage collection of this process as a pause; use as a context."""

    def __init__(self, clock: Clock, latency: Latency) -> None:
        self._clock = clock
        self._latency = latency
        self._start_s = 0.0

    def __enter__(self) -> CollectionTimer:
        gc.callbacks.append(self._on_collection)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        now_s = self._clock.now_s()
        if phase == "start":
            self._start_s = now_s
        elif now_s - self._start_s > 1e-4:
            self._latency.record(Stage.GC_PAUSE, now_s - self._start_s)
            self._latency.gc_pauses.add(self._start_s, now_s)


class Watchdog:
    """Writes every thread's stack when the loop stands still for a second, and ends the process after five.

    The dump is made by a thread that holds the GIL: what another thread of Python changes meanwhile may not be read
    (a walk through frames that come and go can end the process with a segmentation fault). Where that thread does not
    get the GIL, because compiled code computes and holds it, a timer of processor time has the computing thread dump
    itself after twice the time; it does not run on while the process is stopped. Windows has no such timer: one of real
    time dumps every thread there. A process that is ended this way exits with code 70, for whoever restarts it. Time in
    which the patrol itself did not run (a process that was stopped, a suspended machine) does not count: only a loop
    that stands still alone hangs.
    """

    def __init__(
        self,
        file: TextIO,
        clock: Clock,
        *,
        dump_after_s: float = DUMP_AFTER_S,
        exit_after_s: float | None = EXIT_AFTER_S,
    ) -> None:
        self._file = file
        self._clock = clock
        self._dump_after_s = dump_after_s
        self._exit_after_s = exit_after_s
        self._alive_s = self._wound_s = self._dumped_s = float("-inf")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._patrol, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        if HAS_CPU_TIMER:
            faulthandler.register(signal.SIGPROF, file=self._file, all_threads=False)
        self.alive()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        """Nobody plays any more: stop looking."""
        self._stop.set()
        _unwind()

    def alive(self) -> None:
        """The loop turns: wind the timer up again."""
        self._alive_s = self._clock.now_s()
        if HAS_CPU_TIMER:
            signal.setitimer(signal.ITIMER_PROF, 2.0 * self._dump_after_s)
        # Winding makes a thread: four times a dump period is often enough.
        elif self._alive_s - self._wound_s > self._dump_after_s / 4:
            self._wound_s = self._alive_s
            faulthandler.dump_traceback_later(2.0 * self._dump_after_s, file=self._file)

    def _patrol(self) -> None:
        if HAS_CPU_TIMER:  # this thread may be asking for the GIL when the timer ends: who holds it takes the signal
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
        period_s = self._dump_after_s / 4
        seen_s, looked_s, still_s = self._alive_s, self._clock.now_s(), 0.0
        while not self._stop.wait(period_s):
            alive_s, now_s = self._alive_s, self._clock.now_s()
            gap_s = now_s - looked_s
            still_s = still_s + min(gap_s, 2 * period_s) if alive_s == seen_s else 0.0
            seen_s, looked_s = alive_s, now_s
            if gap_s > 2 * self._dump_after_s:
                self._say(
                    f"nothing of this process ran for {gap_s:.1f} s (stopped, or held by compiled code); it goes on"
                )
            if still_s > self._dump_after_s and self._dumped_s != alive_s:
                self._dumped_s = alive_s
                _unwind()
                faulthandler.dump_traceback(self._file)
            if self._exit_after_s is not None and still_s > self._exit_after_s:
                self._say(f"the event loop stood still for {still_s:.1f} s; exit {EXIT_CODE}")
                if isinstance(self._file, SaidStream):
                    self._file.drain()
                os._exit(EXIT_CODE)

    def _say(self, text: str) -> None:
        self._file.write(f"watchdog: {text}\n")
        self._file.flush()


def _unwind() -> None:
    """Stop the timer; its handler stays, since the signal may be on its way."""
    if HAS_CPU_TIMER:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    else:
        faulthandler.cancel_dump_traceback_later()
