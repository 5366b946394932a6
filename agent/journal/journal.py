"""The journal of a session: records handed over on any thread, on the disk a moment later, and none lost unsaid.

Owns one thread and the files of its folder. Handing over never blocks: what does not fit into the queue, or cannot be
written, is counted, and a gap record says how much. So `offered = written + lost + waiting` at every instant.
"""

from __future__ import annotations

import shutil
import threading
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agent.concurrency.claims import claim
from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.journal.records import WEIGHTS, GapRecord, Record, SessionHeader, encode, topic_of
from agent.journal.recover import CLAIM, is_live, newest_segment
from agent.journal.segment import SegmentWriter, number_of

COMMIT_S: Final = 0.1
SEGMENT_S: Final = 60.0
SEGMENT_BYTES: Final = 64 << 20
QUEUE_BYTES: Final = 64 << 20
RETRY_S: Final = 1.0
CLOSING_S: Final = 5.0


class Keep(msgspec.Struct, frozen=True):
    """What is kept on the disk: of this session the newest `window_s` (None: all), of all sessions `max_bytes`."""

    window_s: float | None = None
    max_bytes: int = 2 << 30


class _Body(NamedTuple):
    topic: str
    time_s: float
    body: bytes
    was_offered: bool = True


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
        self._keep = keep or Keep()
        self._queue: deque[_Body] = deque()
        self._queued_bytes = 0
        self._gap: GapRecord | None = None
        self._repeated: _Body | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._urgent = threading.Event()
        self._segment: SegmentWriter | None = None
        self._opened_s = 0.0
        self._number = 0
        self._uncommitted: list[_Body] = []
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
                (self.folder / CLAIM).unlink()
                raise RecordingError(f"{self.folder}: holds a recording already; name another folder")
            self._open()
        except OSError as error:
            self._is_refused = True
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
                self._lose([body], "the queue is full", time_s)
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

    def close(self) -> None:
        """Write what waits, end the segment, and let go of the folder; gives up after CLOSING_S. Safe to call twice."""
        self._ending.set()
        self._urgent.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING_S)

    # --- the journal's thread --------------------------------------------------------------------------------

    def _write(self) -> None:
        while not self._ending.is_set():
            self._urgent.wait(COMMIT_S if self._segment is not None else RETRY_S)
            self._write_queue()
        self._write_queue()
        self._finish()

    def _write_queue(self) -> None:
        """Take what waits, put it on the disk, and turn to a new segment where this one is old or large."""
        try:
            if self._segment is None:
                self._open()
            with self._lock:
                taken, self._queued_bytes = list(self._queue), 0
                self._queue.clear()
                gap, self._gap = self._gap, None
            self._uncommitted += taken
            if gap is not None:
                self._uncommitted.append(_Body("gap", gap.at_s, encode(gap), was_offered=False))
            self._commit()
            if self._is_over():
                self._turn()
            self.error = None
        except OSError as error:
            self._fail(error)

    def _commit(self) -> None:
        segment, bodies = self._segment, self._uncommitted
        assert segment is not None
        if not bodies:
            return
        for number, body in enumerate(bodies, self._number + 1):
            segment.add(body.topic, number, self._wall_ns(body.time_s), body.body)
        segment.commit()
        self._number += len(bodies)
        with self._lock:
            self.written += sum(body.was_offered for body in bodies)
        self._uncommitted = []

    def _is_over(self) -> bool:
        segment = self._segment
        assert segment is not None
        is_old = self._clock.now_s() - self._opened_s > SEGMENT_S
        return self._number > 0 and (is_old or segment.committed_bytes > SEGMENT_BYTES)

    def _turn(self) -> None:
        segment, self._segment = self._segment, None
        assert segment is not None
        segment.close()
        self._drop_old()
        self._open()

    def _open(self) -> None:
        self._segments += 1
        self._segment = SegmentWriter(self.folder, self._segments, self.header)
        self._opened_s = self._clock.now_s()
        with self._lock:
            if self._repeated is not None and self._number > 0:
                self._uncommitted.insert(0, self._repeated)

    def _fail(self, error: OSError) -> None:
        """The disk refused: cut the segment to what is committed, count what waits beyond the queue, try again."""
        self.error = error.strerror or str(error)
        now_s = self._clock.now_s()
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.abandon()
            except OSError as second:
                self.error = second.strerror or str(second)
        with self._lock:
            offered = [body for body in self._uncommitted if body.was_offered]
            self._uncommitted = [body for body in self._uncommitted if body.topic == "gap"]
            self._lose(offered, self.error, now_s)

    def _lose(self, bodies: list[_Body], reason: str, now_s: float) -> None:
        """Count records as lost; the lock is held."""
        if not bodies:
            return
        self.lost += len(bodies)
        self.reasons[reason] = self.reasons.get(reason, 0) + len(bodies)
        before = self._gap or GapRecord(now_s, 0, 0, reason)
        size = before.size_bytes + sum(len(body.body) for body in bodies)
        self._gap = GapRecord(before.at_s, before.count + len(bodies), size, before.reason)

    def _finish(self) -> None:
        segment, self._segment = self._segment, None
        try:
            if segment is not None:
                segment.close()
            (self.folder / CLAIM).unlink(missing_ok=True)
        except OSError as error:
            self.error = error.strerror or str(error)

    def _drop_old(self) -> None:
        """Delete the oldest segments: of this session beyond the window, of all sessions beyond the cap."""
        own = sorted(self.folder.glob("segment-*.mcap"), key=number_of)
        if self._keep.window_s is not None:
            kept = 1 + int(self._keep.window_s // SEGMENT_S)
            for path in own[:-kept]:
                path.unlink(missing_ok=True)
            if own[:-kept]:
                self._drop_weights(own[-kept].stat().st_mtime - SEGMENT_S)
        sizes = {path: path.stat().st_size for path in self.folder.parent.glob("*/*/*") if path.is_file()}
        segments = {path: path.stat() for path in self.folder.parent.glob("*/segment-*.mcap")}
        total = sum(sizes.values()) + sum(found.st_size for found in segments.values())
        for path in sorted(segments, key=lambda path: segments[path].st_mtime)[:-1]:
            if total <= self._keep.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= segments[path].st_size
            folder = path.parent
            if not is_live(folder) and not any(folder.glob("segment-*")):
                total -= sum(size for file, size in sizes.items() if file.is_relative_to(folder))
                shutil.rmtree(folder, ignore_errors=True)

    def _drop_weights(self, since_s: float) -> None:
        """Delete weights that acted in no segment that is kept: those that others followed before that instant."""
        files = sorted((self.folder / WEIGHTS).glob("*"), key=lambda path: path.stat().st_mtime)
        for path, next_path in pairwise(files):
            if next_path.stat().st_mtime < since_s:
                path.unlink(missing_ok=True)

    def _wall_ns(self, time_s: float) -> int:
        return max(0, self.header.began_utc_ns + int((time_s - self.header.began_s) * 1e9))
