"""Who plays a run, the champion's weights or a challenger's, and what their scores say.

Runs are dealt in blocks: one of a block's runs is the challenger's, in a place drawn by chance, the others are the
champion's. A block counts when all its runs have ended: its value is the challenger's score minus the mean of the
champion's. So what changes with time changes for both. Owns no file, no weights and no clock.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.statistics import ConfidenceSequence, scaled

MAX_RUNS: Final = 200
"""Runs of a challenger after which it is discarded, where nothing was shown."""
MIN_SHARE: Final = 1 / 20
CHAMPION: Final = 0
CHALLENGER: Final = 1


class _Block(msgspec.Struct):
    """A block of runs; roles are those that are still to be dealt."""

    roles: list[int]
    open: int
    champion: list[float] = []
    challenger: float | None = None
    broken: bool = False


class Record(msgspec.Struct):
    """What is kept over a restart: the challenger's number, by whom, the values of its blocks, and the next share."""

    version: int = 0
    source: str = ""
    share: float = 1 / 3
    values: list[float] = []
    scores: list[list[float]] = msgspec.field(default_factory=lambda: [[], []])
    discarded: int = 0
    promoted: int = 0


class Challenge:
    """One challenger against the champion. span: scores lie within 0 and this."""

    def __init__(self, record: Record, *, share: float, span: float, seed: int = 0) -> None:
        self.record = record
        self._share, self._span = share, span
        self._rng = np.random.default_rng(seed)
        self._blocks: deque[_Block] = deque()
        self._dealt: dict[int, tuple[_Block, int]] = {}
        self.sequence = ConfidenceSequence(record.values)

    @property
    def is_on(self) -> bool:
        """There is a challenger."""
        return self.record.version > 0

    def begin(self, version: int, source: str) -> None:
        """A challenger comes; blocks of the one before are void."""
        r = self.record
        r.version, r.source, r.values, r.scores = version, source, [], [[], []]
        self.sequence = ConfidenceSequence()
        self._void()

    def _void(self) -> None:
        self._blocks.clear()
        self._dealt.clear()

    def deal(self, game: int) -> int:
        """Who plays the run that begins in a game; a run of it that did not end breaks its block."""
        self._break(game)
        if not self.is_on:
            return CHAMPION
        if not self._blocks or not self._blocks[-1].roles:
            roles = [CHAMPION] * round(1 / self.record.share)
            roles[int(self._rng.integers(len(roles)))] = CHALLENGER
            self._blocks.append(_Block(roles, len(roles)))
        block = self._blocks[-1]
        role = block.roles.pop()
        self._dealt[game] = (block, role)
        return role

    def _break(self, game: int) -> None:
        block, _ = self._dealt.pop(game, (None, CHAMPION))
        if block is not None:
            block.broken, block.open = True, block.open - 1
            self._count()

    def ended(self, game: int, score: float) -> str:
        """A run ended: `promote`, `worse`, `unshown` (after MAX_RUNS), or "" where nothing is decided."""
        block, role = self._dealt.pop(game, (None, CHAMPION))
        if block is None:
            return ""
        block.open -= 1
        if role == CHALLENGER:
            block.challenger = score
        else:
            block.champion.append(score)
        self._count()
        return self.verdict()

    def _count(self) -> None:
        """Take in the blocks that are whole, in the order in which they were dealt."""
        while self._blocks and self._blocks[0].open == 0:
            block = self._blocks.popleft()
            if block.broken or block.challenger is None:
                continue
            value = float(scaled([block.challenger], [float(np.mean(block.champion))], self._span)[0])
            self.record.values.append(value)
            self.record.scores[CHAMPION] += block.champion
            self.record.scores[CHALLENGER].append(block.challenger)
            self.sequence.add(value)

    def verdict(self) -> str:
        """What the runs so far say."""
        if not self.is_on:
            return ""
        if self.sequence.is_above:
            return "promote"
        if self.sequence.is_below:
            return "worse"
        return "unshown" if len(self.record.values) >= MAX_RUNS else ""

    def close(self, *, promoted: bool) -> None:
        """The challenger is gone: the share halves, or is what it was at first again."""
        r = self.record
        r.promoted, r.discarded = r.promoted + promoted, r.discarded + (not promoted)
        r.share = self._share if promoted else max(MIN_SHARE, r.share / 2)
        r.version, r.source = 0, ""
        self._void()

    def status(self) -> dict[str, Any]:
        """Runs so far of each, the difference with its ends, in the score's unit, and runs needed (an estimate)."""
        r, (mean, low, high) = self.record, self.sequence.interval()
        left = MAX_RUNS - len(r.values)
        blocks = min(left, self.sequence.still_needed() or left)
        means = [round(float(np.mean(s)), 1) if s else None for s in r.scores]
        return {
            "version": r.version, "source": r.source, "share": round(r.share, 4),
            "runs": {"champion": len(r.scores[CHAMPION]), "challenger": len(r.scores[CHALLENGER])},
            "mean": {"champion": means[CHAMPION], "challenger": means[CHALLENGER]},
            "difference": {k: round(v * self._span, 1) for k, v in (("mean", mean), ("low", low), ("high", high))},
            "runs_needed": blocks * round(1 / r.share), "promoted": r.promoted, "discarded": r.discarded,
        }  # fmt: skip
