"""Who plays a run, the champion's weights or a challenger's, and what their scores say.

Runs are dealt in blocks: one of a block's runs is the challenger's, in a place drawn by chance, the others are the
champion's. A block counts when all its runs have ended, so what changes with time changes for both. Its value is the
challenger's score minus the mean of the champion's, as a share of the cap. Returns of environments have no bounds:
there it is the share of the champion's runs that the challenger's beat, minus the share that beat it.

A confidence sequence of the values promotes. One of the shares discards as well: where scores are small beside the cap
it is much sooner, and a discard needs no guarantee. So does being the worst run of its block more often than by chance,
which is soonest where the challenger is harmful and blocks are large. Owns no file, no weights and no clock.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from agent.control.reward import CAP_S
from agent.control.score import EpisodeResult
from agent.core.statistics import ConfidenceSequence, LastPlaces, scaled

MAX_BLOCKS: Final = 200
"""Blocks after which a challenger is discarded where nothing was shown."""
HOPELESS_FROM: Final = 20
"""From so many blocks on, one is also discarded where as many as are left would not decide either, going on so."""
MIN_SHARE: Final = 1 / 20
MAX_HALVINGS: Final = 16
Share = Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
CHAMPION: Final = 0
CHALLENGER: Final = 1
SCORE: Final = "score_s"
RETURN: Final = "episode_return"
PROMOTE: Final = "promote"
WORSE: Final = "worse"
UNSHOWN: Final = "unshown"


class _Block(msgspec.Struct):
    """A block of runs; roles are those that are still to be dealt."""

    roles: list[int]
    open: int
    champion: list[float] = []
    challenger: float | None = None
    broken: bool = False


class Record(msgspec.Struct):
    """What is kept over a restart.

    version: the challenger's, 0 for none; source: who made it, by_hand: a person gave it. weights, champion: SHA-256 of
    what both are. values, shares: of the blocks so far; lost: how many runs each had, 0 where the challenger's was not
    the worst of them. scores: of the champion's and the challenger's runs. halvings: of the share of the learner's
    challengers. decisions: the last ones, with their figures.
    """

    version: Annotated[int, msgspec.Meta(ge=0)] = 0
    source: str = ""
    by_hand: bool = False
    weights: str = ""
    champion: str = ""
    measure: str = ""
    values: list[Share] = []
    shares: list[Share] = []
    lost: list[Annotated[int, msgspec.Meta(ge=0)]] = []
    scores: Annotated[list[list[float]], msgspec.Meta(min_length=2, max_length=2)] = msgspec.field(
        default_factory=lambda: [[], []]
    )
    halvings: Annotated[int, msgspec.Meta(ge=0, le=MAX_HALVINGS)] = 0
    promoted: int = 0
    discarded: int = 0
    decisions: list[dict[str, Any]] = []


class Challenge:
    """One challenger against the champion. share: of the runs that are the challenger's while no share was halved."""

    def __init__(self, record: Record, *, share: float, seed: int = 0) -> None:
        self.record = record
        self._share = share
        self._rng = np.random.default_rng(seed)
        self._blocks: deque[_Block] = deque()
        self._dealt: dict[int, tuple[_Block, int]] = {}
        self._values, self._shares = ConfidenceSequence(record.values), ConfidenceSequence(record.shares)
        self._places = LastPlaces(record.lost)

    @property
    def is_on(self) -> bool:
        """There is a challenger."""
        return self.record.version > 0

    @property
    def runs_a_block(self) -> int:
        """One of so many runs is the challenger's; a person's is not slowed down by what the learner's did."""
        r = self.record
        share = self._share / 2 ** (0 if r.by_hand else r.halvings)
        return int(round(1 / max(share, min(MIN_SHARE, self._share))))

    def begin(self, version: int, source: str, *, by_hand: bool = False, weights: str = "", champion: str = "") -> None:
        """A challenger comes; blocks of the one before are void."""
        r = self.record
        r.version, r.source, r.by_hand, r.weights, r.champion = version, source, by_hand, weights, champion
        r.values, r.shares, r.lost, r.scores, r.measure = [], [], [], [[], []], ""
        self._values, self._shares, self._places = ConfidenceSequence(), ConfidenceSequence(), LastPlaces()
        self._void()

    def _void(self) -> None:
        self._blocks.clear()
        self._dealt.clear()

    def deal(self, game: int) -> int:
        """Who plays the run that begins in a game; a run of it that did not end breaks its block."""
        self.break_off(game)
        if not self.is_on:
            return CHAMPION
        if not self._blocks or not self._blocks[-1].roles:
            roles = [CHAMPION] * self.runs_a_block
            roles[int(self._rng.integers(len(roles)))] = CHALLENGER
            self._blocks.append(_Block(roles, len(roles)))
        block = self._blocks[-1]
        role = block.roles.pop()
        self._dealt[game] = (block, role)
        return role

    def break_off(self, game: int) -> None:
        """The run of a game does not count, nor does its block."""
        block, _ = self._dealt.pop(game, (None, CHAMPION))
        if block is not None:
            block.broken, block.open = True, block.open - 1
            self._count()

    def ended(self, game: int, result: EpisodeResult) -> bool:
        """A run ended: True where it was dealt. One that broke off at something that is no number breaks its block."""
        if game not in self._dealt:
            return False
        if result.episode_return is None:
            self.break_off(game)
            return True
        r = self.record
        r.measure = r.measure or (RETURN if result.level is None else SCORE)
        score = result.score_s if r.measure == SCORE else result.episode_return
        block, role = self._dealt.pop(game)
        block.open -= 1
        if role == CHALLENGER:
            block.challenger = score
        else:
            block.champion.append(score)
        self._count()
        return True

    def _count(self) -> None:
        """Take in the blocks that are whole, in the order in which they were dealt."""
        r = self.record
        while self._blocks and self._blocks[0].open == 0:
            block = self._blocks.popleft()
            if block.broken or block.challenger is None:
                continue
            share = float(np.mean(np.sign(block.challenger - np.array(block.champion))))
            mean = float(np.mean(block.champion))
            value = float(scaled([block.challenger], [mean], CAP_S)[0]) if r.measure == SCORE else share
            r.values.append(value)
            r.shares.append(share)
            r.scores[CHAMPION] += block.champion
            r.scores[CHALLENGER].append(block.challenger)
            r.lost.append(len(block.champion) + 1 if share == -1.0 else 0)
            self._values.add(value)
            self._shares.add(share)
            self._places.add(r.lost[-1])

    def verdict(self) -> str:
        """What the runs so far say: `promote`, `worse`, `unshown`, or "" where nothing is decided."""
        if not self.is_on:
            return ""
        if self._values.is_above:
            return PROMOTE
        if self._values.is_below or self._shares.is_below or self._places.is_worse:
            return WORSE
        blocks = len(self.record.values)
        left = MAX_BLOCKS - blocks
        if blocks >= HOPELESS_FROM and (self._values.still_needed() or left + 1) > left:
            return UNSHOWN
        return UNSHOWN if left <= 0 else ""

    def close(self, decision: str, *, why: str = "", halves: bool = False) -> dict[str, Any]:
        """The challenger is gone; its figures with the decision, which are kept.

        decision: `promoted`, `discarded` or `withdrawn`. halves: the learner's next one plays half as many runs; after
        a promotion the share is again what it was at first.
        """
        r = self.record
        said = {"decision": decision, "why": why, **self.figures()}
        r.decisions = [*r.decisions[-19:], said]
        r.promoted, r.discarded = r.promoted + (decision == "promoted"), r.discarded + (decision == "discarded")
        r.halvings = 0 if decision == "promoted" else min(r.halvings + halves, MAX_HALVINGS)
        r.version, r.source, r.by_hand, r.weights = 0, "", False, ""
        self._void()
        return said

    def figures(self) -> dict[str, Any]:
        """Of the challenge that is on: runs of each, their means, the difference, and shares of runs, with their ends.

        won_minus_lost: −1 where each of the champion's runs was better, 1 where each of the challenger's was. blocks:
        how many are whole, and in how many of them the challenger's run was the worst.
        """
        r = self.record
        means = [round(float(np.mean(s)), 2) if s else None for s in r.scores]
        return {
            "version": r.version, "source": r.source, "share": round(1 / self.runs_a_block, 4),
            "measure": r.measure or SCORE,
            "runs": {"champion": len(r.scores[CHAMPION]), "challenger": len(r.scores[CHALLENGER])},
            "mean": {"champion": means[CHAMPION], "challenger": means[CHALLENGER]},
            "difference": None if r.measure == RETURN else _rounded(self._values, CAP_S),
            "won_minus_lost": _rounded(self._shares, 1.0),
            "blocks": {"count": len(r.shares), "challenger_worst": sum(runs > 0 for runs in r.lost)},
        }  # fmt: skip

    def runs_needed(self) -> int:
        """About how many more runs will decide."""
        left = MAX_BLOCKS - len(self.record.values)
        return min(left, self._values.still_needed() or left) * self.runs_a_block


def _rounded(sequence: ConfidenceSequence, unit: float) -> dict[str, float]:
    return {name: round(value * unit, 3) for name, value in sequence.interval()._asdict().items()}
