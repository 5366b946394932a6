"""The journal of a session: records handed over on any thread, on the disk a moment later, and none lost unsaid.

Owns one thread and the files of its folder. Handing over never blocks: what does not fit into the queue, or cannot be
written, is counted, and a gap record says in its place how much. So `offered = written + lost + waiting` at every
instant.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections import deque
from functools import reduce
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from agent.concurrency.claims import claim
from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.journal.keeping import Keep, drop_old
from agent.journal.records import GapRecord, Record, SessionHeader, encode, topic_of
from agent.journal.recover import CLAIM, newest_segment
from agent.journal.segment import SegmentWriter

COMMIT_S: Final = 0.1
SEGMENT_S: Final = 60.0
SEGMENT_BYTES: Final = 64 << 20
QUEUE_BYTES: Final = 64 << 20
RETRY_S: Final = 1.0
CLOSING_S: Final = 5.0
TURN_S: Final = 5.0


class _Body(NamedTuple):
    topic: str
    time_s: float
    body: bytes
    was_offered: bool = True


_Item: TypeAlias = _Body | GapRecord
"""What waits: a record, or how many were lost in this place."""


class Journal:
    """Writes the records of one session into a folder that is its own.

    `offer` may be called from any thread. Counts: `offered`, `written` (on the disk), `lost`, by reason in `reasons`.
    """

    def __init__(self, folder: Path, header: SessionHeader, clock: Clock, keep: Keep | None = None) -> None:
        self.folder = folder
        self.header = header
        self.offered = self.written = self.lost = 0
        self.reasons: dict[str, int] = {}
        self.error: str | None = None
        self._clock = clock
        self.keep = keep or Keep()
        cap = self.keep.max_bytes
        self._segment_bytes = SEGMENT_BYTES if cap is None else min(SEGMENT_BYTES, cap // 4)
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0
        self._repeated: _Body | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._urgent = threading.Event()
        self._turns: list[threading.Event] = []
        self._segment: SegmentWriter | None = None
        self._opened_s = 0.0
        self._number = self._number_at_opening = 0
        self._segments = 0
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._is_refused = False

    # --- any thread ------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make the folder and start writing; raises RecordingError where it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not claim(self.folder / CLAIM):
                self._is_refused = True
                raise RecordingError(f"{self.folder}: another session records into it; name another folder")
            if newest_segment(self.folder) > 0:
                self._is_refused = True
                self._let_go()
                raise RecordingError(f"{self.folder}: holds a recording already; name another folder")
            self._open()
        except OSError as error:
            self._is_refused = True
            self._let_go()
            raise RecordingError(f"{self.folder}: cannot be recorded into: {error.strerror or error}") from error
        self._thread.start()

    def offer(self, record: Record, time_s: float, *, repeat: bool = False) -> bool:
        """Hand over one record; False where there is no room for it, which is counted.

        repeat: until the next of these, write it again at the beginning of each segment, for those before may go.
        """
        if self._is_refused:
            return False
        body = _Body(topic_of(record), time_s, encode(record))
        with self._lock:
            if repeat:
                self._repeated = body._replace(was_offered=False)
            self.offered += 1
            if self._queued_bytes + len(body.body) > QUEUE_BYTES:
                gap, last = self._lost([body], "the queue is full", time_s), self._queue[-1] if self._queue else None
                if isinstance(last, GapRecord):
                    self._queue[-1] = _joined(last, gap)
                else:
                    self._queue.append(gap)
                return False
            self._queue.append(body)
            self._queued_bytes += len(body.body)
        return True

    @property
    def is_writing(self) -> bool:
        """True from `begin` until all is written."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Records that are neither on the disk nor lost."""
        with self._lock:
            return self.offered - self.written - self.lost

    def turn(self) -> bool:
        """End the segment now, with all that was handed over, and begin another; waits for that.

        False where the disk does not take it in time. For threads that may wait.
        """
        turned = threading.Event()
        with self._lock:
            self._turns.append(turned)
        self._urgent.set()
        return turned.wait(TURN_S)

    def close(self) -> None:
        """Write what waits, end the segment, and let go of the folder; gives up after CLOSING_S. Safe to call twice."""
        self._ending.set()
        self._urgent.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING_S)

    # --- the journal's thread --------------------------------------------------------------------------------

    def _write(self) -> None:
        self._drop_old()
        while not self._ending.is_set():
            self._urgent.wait(COMMIT_S if self._segment is not None else RETRY_S)
            self._urgent.clear()
            self._write_queue()
        self._write_queue()
        self._finish()

    def _write_queue(self) -> None:
        """Take what waits, put it on the disk, and turn to a new segment where this one is old or large."""
        taken: list[_Item] = []
        with self._lock:
            turns, self._turns = self._turns, []
        try:
            segment = self._segment or self._open()
            with self._lock:
                taken, self._queued_bytes = list(self._queue), 0
                self._queue.clear()
            self._commit(segment, taken)
            taken = []
            if self._is_over(segment) or (turns and self._number > self._number_at_opening):
                self._turn(segment)
            for turned in turns:
                turned.set()
            self.error = None
        except OSError as error:
            self._fail(error, taken)

    def _commit(self, segment: SegmentWriter, taken: list[_Item]) -> None:
        if segment.is_deleted:
            raise FileNotFoundError(errno.ENOENT, "the recording was deleted")
        if not taken:
            return
        for number, item in enumerate(taken, self._number + 1):
            body = _Body("gap", item.at_s, encode(item), False) if isinstance(item, GapRecord) else item
            segment.add(body.topic, number, self._wall_ns(body.time_s), body.body)
        segment.commit()
        self._number += len(taken)
        with self._lock:
            self.written += sum(isinstance(item, _Body) and item.was_offered for item in taken)

    def _is_over(self, segment: SegmentWriter) -> bool:
        is_old = self._clock.now_s() - self._opened_s > SEGMENT_S
        return self._number > 0 and (is_old or segment.committed_bytes > self._segment_bytes)

    def _turn(self, segment: SegmentWriter) -> None:
        segment.close()
        self._segment = None
        self._drop_old()
        self._open()

    def _open(self) -> SegmentWriter:
        """Begin a segment; the folder is made again where somebody deleted it."""
        self._segments += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        claim(self.folder / CLAIM)
        self._segment = SegmentWriter(self.folder, self._segments, self.header)
        self._opened_s, self._number_at_opening = self._clock.now_s(), self._number
        with self._lock:
            if self._repeated is not None and self._number > 0:
                self._queue.appendleft(self._repeated)
        return self._segment

    def _fail(self, error: OSError, taken: list[_Item]) -> None:
        """The disk refused: cut the segment to what is committed, count what was to be written, try again later."""
        self.error = error.strerror or str(error)
        self._abandon()
        bodies = [item for item in taken if isinstance(item, _Body) and item.was_offered]
        gaps = [item for item in taken if isinstance(item, GapRecord)]
        with self._lock:
            if bodies:
                gaps.append(self._lost(bodies, self.error, self._clock.now_s()))
            first = self._queue[0] if self._queue else None
            if isinstance(first, GapRecord):
                gaps.append(first)
                self._queue.popleft()
            if gaps:
                self._queue.appendleft(reduce(_joined, gaps))

    def _abandon(self) -> None:
        """Leave the segment, cut to what is committed, to be recovered."""
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.abandon()
            except OSError as error:
                self.error = error.strerror or str(error)

    def _lost(self, bodies: list[_Body], reason: str, now_s: float) -> GapRecord:
        """Count records as lost; the lock is held."""
        self.lost += len(bodies)
        self.reasons[reason] = self.reasons.get(reason, 0) + len(bodies)
        return GapRecord(now_s, len(bodies), sum(len(body.body) for body in bodies), reason)

    def _finish(self) -> None:
        with self._lock:
            rest = [item for item in self._queue if isinstance(item, _Body) and item.was_offered]
            self._queue.clear()
            if rest:
                self._lost(rest, self.error or "the session ended", self._clock.now_s())
        try:
            if self._segment is not None:
                self._segment.close()
        except OSError as error:
            self.error = error.strerror or str(error)
            self._abandon()
        self._let_go()
        self._drop_old()

    def _let_go(self) -> None:
        with contextlib.suppress(OSError):
            (self.folder / CLAIM).unlink()

    def _drop_old(self) -> None:
        drop_old(self.folder, self.keep, self._clock.wall_utc_ns() * 1e-9)

    def _wall_ns(self, time_s: float) -> int:
        return max(0, self.header.began_utc_ns + int((time_s - self.header.began_s) * 1e9))


def _joined(first: GapRecord, second: GapRecord) -> GapRecord:
    """Two gaps as one."""
    return GapRecord(first.at_s, first.count + second.count, first.size_bytes + second.size_bytes, first.reason)
