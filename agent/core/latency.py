"""Where the time of an answer goes: a histogram for each stage, and a named cause for each missed deadline.

Owns no clock; callers pass seconds on the one monotonic scale.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram

_MAX_US = 60_000_000
_SIGNIFICANT_DIGITS = 3
_MAX_WAITING = 256
_NEWEST_MISSES = 16
_SHARES = (50.0, 90.0, 99.0)


class Stage(StrEnum):
    """Parts of the walk of one frame, in order, and the whole walk.

    packet_to_action: from the packet's arrival. picture_to_action: from a picture's capture in the game to the first
    action after it was decoded. frame_to_action: for a policy that looks at pictures the latter, else the former.
    """

    DECODE = "decode"
    QUEUE = "queue"
    POLICY = "policy"
    RETURN = "return"
    SEND = "send"
    FRAME_TO_ACTION = "frame_to_action"
    PACKET_TO_ACTION = "packet_to_action"
    PICTURE_TO_ACTION = "picture_to_action"
    PACKET_INTERVAL = "packet_interval"
    LOOP_LAG = "loop_lag"
    GC_PAUSE = "gc_pause"


class Cause(StrEnum):
    """Why a deadline was missed."""

    NO_PACKET = "no packet"
    DECODE = "decode"
    QUEUE = "queue"
    POLICY = "policy"
    LOOP_LAG = "loop lag"
    GARBAGE_COLLECTION = "garbage collection"
    SEND = "send"


class StageSummary(msgspec.Struct, frozen=True):
    """Percentiles of one stage, milliseconds."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    mean_ms: float


class Walk(msgspec.Struct):
    """Instants of one observation on its way to an action, monotonic seconds.

    received: the packet was whole; published: the observation was ready; started: the policy's step began
    on its lane; stepped: it ended there; returned: the loop had the result; sent: the action was handed over.
    """

    received_s: float
    published_s: float
    started_s: float
    stepped_s: float
    returned_s: float
    sent_s: float


class Miss(msgspec.Struct, frozen=True):
    """One missed deadline: when its action left, how late it was, why, and what each stage took, seconds."""

    at_s: float
    late_s: float
    cause: Cause
    stages_s: dict[str, float]


class Pauses:
    """The newest pauses of one kind (collections, loop lag), to be laid over a missed deadline."""

    def __init__(self, keep: int = 64) -> None:
        self._spans: deque[tuple[float, float]] = deque(maxlen=keep)

    def add(self, start_s: float, end_s: float) -> None:
        """Remember that nothing could run between the two instants."""
        self._spans.append((start_s, end_s))

    def overlap_s(self, start_s: float, end_s: float) -> float:
        """Seconds of the remembered pauses that lie within the span."""
        return sum(max(0.0, min(end_s, e) - max(start_s, s)) for s, e in self._spans)


class Latency:
    """Histograms by stage, and counters of deadline misses by cause."""

    def __init__(self) -> None:
        self._histograms = {stage: HdrHistogram(1, _MAX_US, _SIGNIFICANT_DIGITS) for stage in Stage}
        self._waiting: deque[tuple[Stage, float]] = deque()
        self._total_us = dict.fromkeys(Stage, 0)
        self.missed: dict[Cause, int] = dict.fromkeys(Cause, 0)
        self.counters: dict[str, int] = {}
        self.newest_missed: deque[Miss] = deque(maxlen=_NEWEST_MISSES)
        self.consecutive_missed = 0
        self.longest_missed_run = 0
        self.gc_pauses = Pauses()
        self.lag_pauses = Pauses()

    def record(self, stage: Stage, seconds: float) -> None:
        """Add one duration to a stage; durations below 1 µs count as 1 µs.

        It waits to be counted until a walk was recorded, so that counting delays no answer.
        """
        self._waiting.append((stage, seconds))
        if len(self._waiting) > _MAX_WAITING:
            self._count_waiting()

    def _count_waiting(self) -> None:
        # A collection of garbage may record, and count, from within this.
        while True:
            try:
                stage, seconds = self._waiting.popleft()
            except IndexError:
                return
            micros = min(_MAX_US, max(1, round(seconds * 1e6)))
            self._histograms[stage].record_value(micros)
            self._total_us[stage] += micros

    def count(self, name: str, n: int = 1) -> None:
        """Add to a named counter."""
        self.counters[name] = self.counters.get(name, 0) + n

    def miss(self, cause: Cause) -> None:
        """Count one deadline miss."""
        self.missed[cause] += 1

    def record_walk(
        self, walk: Walk, budget_s: float, captured_s: float | None = None, looks: bool = False
    ) -> Cause | None:
        """Record all stages of one answered observation; returns the cause if it took longer than the budget.

        captured_s: when the picture was captured that this observation is the first to have, or None. looks: the
        policy looks at pictures, and the observation has one. The budget counts from the packet's arrival.
        """
        total_s = walk.sent_s - walk.received_s
        self.record(Stage.DECODE, walk.published_s - walk.received_s)
        self.record(Stage.QUEUE, walk.started_s - walk.published_s)
        self.record(Stage.POLICY, walk.stepped_s - walk.started_s)
        self.record(Stage.RETURN, walk.returned_s - walk.stepped_s)
        self.record(Stage.SEND, walk.sent_s - walk.returned_s)
        self.record(Stage.PACKET_TO_ACTION, total_s)
        if captured_s is not None:
            self.record(Stage.PICTURE_TO_ACTION, walk.sent_s - captured_s)
        frame_s = captured_s if looks else walk.received_s
        if frame_s is not None:
            self.record(Stage.FRAME_TO_ACTION, walk.sent_s - frame_s)
        self._count_waiting()
        if total_s <= budget_s:
            self.consecutive_missed = 0
            return None
        cause = self._cause(walk, total_s, budget_s)
        self.miss(cause)
        self.newest_missed.append(Miss(walk.sent_s, total_s - budget_s, cause, _stages_s(walk)))
        self.consecutive_missed += 1
        self.longest_missed_run = max(self.longest_missed_run, self.consecutive_missed)
        return cause

    def _cause(self, walk: Walk, total_s: float, budget_s: float) -> Cause:
        excess_s = total_s - budget_s
        collected_s = self.gc_pauses.overlap_s(walk.received_s, walk.sent_s)
        lagged_s = self.lag_pauses.overlap_s(walk.received_s, walk.sent_s)
        if collected_s >= max(0.5 * excess_s, 1e-4):
            return Cause.GARBAGE_COLLECTION
        shares = {
            Cause.DECODE: walk.published_s - walk.received_s,
            Cause.QUEUE: walk.started_s - walk.published_s,
            Cause.POLICY: walk.stepped_s - walk.started_s,
            Cause.LOOP_LAG: walk.returned_s - walk.stepped_s,
            Cause.SEND: walk.sent_s - walk.returned_s,
        }
        largest = max(shares, key=lambda cause: shares[cause])
        if largest is not Cause.POLICY and lagged_s >= 0.5 * shares[largest]:
            return Cause.LOOP_LAG
        return largest

    def summary(self) -> dict[str, StageSummary]:
        """Percentiles of every stage that has been recorded."""
        self._count_waiting()
        out = {}
        for stage, h in self._histograms.items():
            n = h.get_total_count()
            if n:
                p50, p90, p99 = (us / 1e3 for us in _percentiles_us(h))
                out[stage.value] = StageSummary(
                    n, p50, p90, p99, h.get_max_value() / 1e3, round(self._total_us[stage] / n / 1e3, 6)
                )
        return out


def _stages_s(walk: Walk) -> dict[str, float]:
    return {
        Stage.DECODE.value: walk.published_s - walk.received_s, Stage.QUEUE.value: walk.started_s - walk.published_s,
        Stage.POLICY.value: walk.stepped_s - walk.started_s, Stage.RETURN.value: walk.returned_s - walk.stepped_s,
        Stage.SEND.value: walk.sent_s - walk.returned_s,
    }  # fmt: skip


def _percentiles_us(histogram: HdrHistogram) -> list[int]:
    """The values at `_SHARES`, µs; those of `get_value_at_percentile`, which walks the buckets in Python."""
    magnitude = histogram.sub_bucket_half_count_magnitude
    used = (max(0, histogram.max_value.bit_length() - magnitude - 1) + 2) << magnitude  # all above the maximum are 0
    cumulated = np.cumsum(np.frombuffer(histogram.counts, np.uint64, min(used, histogram.counts_len)))
    targets = [histogram.get_target_count_at_percentile(share) for share in _SHARES]
    places = np.searchsorted(cumulated, np.array(targets, np.uint64))
    return [histogram.get_highest_equivalent_value(histogram.get_value_from_index(int(i))) for i in places]
