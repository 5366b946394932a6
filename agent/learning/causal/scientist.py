"""The scientist: effects of cards from menus whose chances are known, run after run, and what may be said of them.

Owns sums only. The same runs in the same order give the same numbers; expectations are fitted anew after 1, 2, … runs,
later after every fiftieth part of them, always on runs that ended before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.cards.menu import COVARIATES, OUTCOMES, JudgedMenu, checked, is_random
from agent.learning.causal import sequences
from agent.learning.causal.nuisance import Ridge, fixed_columns, rows_of
from agent.learning.causal.scores import contrasts, doubly_robust, pseudo_value
from agent.learning.causal.shrinkage import Posterior, shrunk

Array = NDArray[np.float64]
ALPHA: Final = 0.05
"""False discovery rate of what is announced."""
INTERVAL_ALPHA: Final = 0.05
SCALE: Final = sequences.mixture_scale(sequences.TUNED_FOR, ALPHA / 12)
ANNOUNCED: Final = ("score_s", "rmst_30_s", "rmst_120_s")
BURN_IN: Final = 30
"""Menus from which expectations are learned before the first is scored."""
MIN_JOINT: Final = 30
"""Offers of a card with, and without, another one in the build before their interaction is shown."""
EARLIER: Final = 2000
"""Earlier menus that a cut time is compared with."""
NORMAL_95: Final = 1.959964


class Batch(NamedTuple):
    """The menus of one run as arrays.

    actions [M, K]: which card or action each is, −1 for none. is_card [M, K]; propensities [M, K], 1 where there is
    none; picked [M]; covariates [M, F]; outcomes [M, O], NaN where not known; builds: cards taken before, of each menu.
    """

    actions: NDArray[np.int64]
    is_card: NDArray[np.bool_]
    propensities: Array
    picked: NDArray[np.int64]
    covariates: Array
    outcomes: Array
    builds: tuple[tuple[int, ...], ...] = ()


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What taking one card does to one outcome, against the mean of the other offered cards.

    low, high: of the 95 % confidence sequence, valid at every look. believed, deviation: drawn towards 0 by empirical
    Bayes. menus_needed: more menus until it can be announced, if it goes on like this; None: not within reach.
    """

    name: str
    outcome: str
    offers: int
    taken: int
    effect: float
    error: float
    low: float
    high: float
    believed: float
    deviation: float
    log_e: float
    is_announced: bool
    menus_needed: int | None


class Interaction(msgspec.Struct, frozen=True, kw_only=True):
    """How much more a card does where another one was taken before: difference, and its 95 % interval (one look)."""

    name: str
    other: str
    offers_with: int
    offers_without: int
    difference: float
    low: float
    high: float


class Scientist:
    """Effects of all cards on `outcomes`, of which the first is the one that interactions are of."""

    def __init__(self, outcomes: Sequence[str] = OUTCOMES, *, covariates: int = len(COVARIATES)) -> None:
        self.outcomes = tuple(outcomes)
        self.names: list[str] = []
        self.menus = self.runs = 0
        self.announced: dict[tuple[str, str], Effect] = {}
        self._index: dict[str, int] = {}
        self._ridges = [Ridge(fixed_columns(covariates)) for _ in self.outcomes]
        self._since_fit = 0
        n = len(self.outcomes)
        self._counts, self._sums, self._squares = (np.zeros((n, 0)) for _ in range(3))
        self._taken = np.zeros(0, np.int64)
        self._pairs = np.zeros((3, 0, 0))
        self._lived, self._died = np.zeros(0), np.zeros(0, np.bool_)

    # --- taking in ---------------------------------------------------------------------------------------------------

    def add_run(self, run: Sequence[JudgedMenu]) -> list[Effect]:
        """Take in the menus of a run that ended; the effects that can be announced now and could not before.

        Raises ValueError for a menu whose parts do not fit; menus in which nothing was left to chance are passed over.
        """
        usable = [judged for judged in run if is_random(checked(judged.menu))]
        if not usable:
            return []
        self.add(self._batch(usable))
        self._lived = np.concatenate([self._lived, [j.lived_s for j in usable]])[-EARLIER:]
        self._died = np.concatenate([self._died, [j.died for j in usable]])[-EARLIER:]
        return self.announce()

    def index(self, name: str) -> int:
        """The number of a card or action, a new one where it was not known."""
        if name not in self._index:
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]

    def add(self, batch: Batch) -> Array:
        """Take in one run; what each menu says of its actions [O, M, K], NaN where nothing."""
        self._widen()
        if self._since_fit >= 1 + self.runs // 50 or self.runs == 1:
            for ridge in self._ridges:
                ridge.fit()
            self._since_fit = 0
        rows = rows_of(batch.covariates, batch.actions, len(self.names))
        found = np.stack([self._scored(o, batch, rows) for o in range(len(self.outcomes))])
        self._count(batch, found)
        menus = np.arange(len(batch.picked))
        taken = rows[menus, batch.picked]
        for o, ridge in enumerate(self._ridges):
            known = np.isfinite(batch.outcomes[:, o])
            ridge.add(taken[known], batch.outcomes[known, o])
        self._since_fit += 1
        self.runs += 1
        self.menus += len(batch.picked)
        return found

    def _scored(self, outcome: int, batch: Batch, rows: Array) -> Array:
        ridge, values = self._ridges[outcome], batch.outcomes[:, outcome]
        if ridge.count < BURN_IN or self.runs == 0:
            return np.full(batch.actions.shape, np.nan)
        scores = doubly_robust(ridge.predict(rows), batch.propensities, batch.picked, values)
        found = contrasts(np.where(batch.actions >= 0, scores, 0.0), batch.is_card)
        found[batch.actions < 0] = np.nan
        return found

    def _count(self, batch: Batch, found: Array) -> None:
        np.add.at(self._taken, batch.actions[np.arange(len(batch.picked)), batch.picked], 1)
        for o, scores in enumerate(found):
            menu, action = np.nonzero(np.isfinite(scores))
            cards, values = batch.actions[menu, action], scores[menu, action]
            for sums, amounts in ((self._counts, 1.0), (self._sums, values), (self._squares, values**2)):
                np.add.at(sums[o], cards, amounts)
            if o == 0 and batch.builds:
                for m, card, value in zip(menu.tolist(), cards.tolist(), values.tolist(), strict=True):
                    built = list(set(batch.builds[m]))
                    self._pairs[:, card, built] += np.array([[1.0], [value], [value * value]])

    def _widen(self) -> None:
        n, more = len(self.names), len(self.names) - len(self._taken)
        if more > 0:
            wide = ((0, 0), (0, more))
            self._counts, self._sums, self._squares = (
                np.pad(a, wide) for a in (self._counts, self._sums, self._squares)
            )
            self._taken = np.pad(self._taken, (0, more))
            self._pairs = np.pad(self._pairs, ((0, 0), (0, more), (0, more)))
            for ridge in self._ridges:
                ridge.widen(n)

    def _batch(self, run: Sequence[JudgedMenu]) -> Batch:
        width = max(len(judged.menu.actions) for judged in run)
        shape = (len(run), width)
        actions, is_card, chances = np.full(shape, -1), np.zeros(shape, np.bool_), np.ones(shape)
        for m, judged in enumerate(run):
            menu = judged.menu
            actions[m, : len(menu.actions)] = [self.index(name) for name in menu.actions]
            # a single card is held against what else could be done, such as leaving a chest
            is_card[m, : len(menu.cards) if len(menu.cards) > 1 else len(menu.actions)] = True
            chances[m, : len(menu.actions)] = menu.propensities
        builds = tuple(tuple(self.index(name) for name in judged.menu.build) for judged in run)
        return Batch(
            actions, is_card, chances, np.array([j.menu.picked for j in run]),
            np.array([j.menu.covariates for j in run]), np.array([self._outcomes_of(j) for j in run]), builds,
        )  # fmt: skip

    def _outcomes_of(self, judged: JudgedMenu) -> list[float]:
        return [self._outcome(name, judged) for name in self.outcomes]

    def _outcome(self, name: str, judged: JudgedMenu) -> float:
        kind, _, rest = name.partition("_")
        if kind == "rmst":
            horizon = float(rest.removesuffix("_s"))
            return pseudo_value(self._lived, self._died, judged.lived_s, judged.died, horizon)
        if kind == "alive":
            horizon = float(rest.removesuffix("_s"))
            return 1.0 if judged.lived_s >= horizon else 0.0 if judged.died else math.nan
        value: float | None = getattr(judged, name)
        return math.nan if value is None else value

    # --- what may be said --------------------------------------------------------------------------------------------

    def _moments(self, outcome: int) -> tuple[Array, Array, Array]:
        """Offers, mean scores and their variances [N] of every card."""
        n = self._counts[outcome]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = self._sums[outcome] / n
            variances = np.maximum(self._squares[outcome] - n * means**2, 0.0) / (n - 1.0)
        return n, np.where(n > 0, means, np.nan), np.where(n > 1, variances, np.nan)

    def posterior(self, outcome: str) -> Posterior:
        """What is believed of every card's effect on an outcome."""
        n, means, variances = self._moments(self.outcomes.index(outcome))
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = np.nansum(variances * (n - 1)) / np.maximum((n[n > 1] - 1).sum(), 1.0)
            steadied = (np.nan_to_num(variances) * np.maximum(n - 1, 0.0) + 10.0 * pooled) / (np.maximum(n - 1, 0) + 10)
            errors = np.where(n > 1, np.sqrt(steadied / n), np.inf)
        return shrunk(tuple(self.names), means, errors)

    def evidence(self) -> tuple[Array, float]:
        """Logarithms of the evidence [outcomes that are announced, N], and the bar that a first one must reach."""
        rows = [o for o, name in enumerate(self.outcomes) if name in ANNOUNCED]
        found = np.zeros((len(rows), len(self.names)))
        for k, o in enumerate(rows):
            n, means, variances = self._moments(o)
            values = sequences.log_e_value(n, np.nan_to_num(means), np.nan_to_num(variances), scale=SCALE)
            found[k, : len(values)] = values
        return found, math.log(max(found.size, 1) / ALPHA)

    def announce(self) -> list[Effect]:
        """The effects that can be announced now and could not before; each is announced once."""
        log_e, _ = self.evidence()
        if not log_e.size or float(log_e.max()) <= 0.0:
            return []
        passes = sequences.e_benjamini_hochberg(log_e.ravel(), alpha=ALPHA).reshape(log_e.shape)
        new = []
        for k, outcome in enumerate(name for name in self.outcomes if name in ANNOUNCED):
            names = [self.names[c] for c in np.flatnonzero(passes[k])]
            names = [name for name in names if (outcome, name) not in self.announced]
            for effect in self.effects(outcome) if names else []:
                if effect.name in names:
                    self.announced[outcome, effect.name] = msgspec.structs.replace(effect, is_announced=True)
                    new.append(self.announced[outcome, effect.name])
        return new

    def effects(self, outcome: str) -> list[Effect]:
        """The effects of all cards on an outcome that was seen, in the order in which they became known."""
        n, means, variances = self._moments(self.outcomes.index(outcome))
        believed = self.posterior(outcome)
        half = sequences.radius(n, variances, alpha=INTERVAL_ALPHA, scale=SCALE)
        log_e = sequences.log_e_value(n, np.nan_to_num(means), np.nan_to_num(variances), scale=SCALE)
        _, bar = self.evidence()
        found = []
        for c, name in enumerate(self.names[: len(n)]):
            if n[c] < 2:
                continue
            announced = (outcome, name) in self.announced
            found.append(
                Effect(
                    name=name, outcome=outcome, offers=int(n[c]), taken=int(self._taken[c]), effect=float(means[c]),
                    error=math.sqrt(float(variances[c]) / float(n[c])), low=float(means[c] - half[c]),
                    high=float(means[c] + half[c]), believed=float(believed.means[c]),
                    deviation=float(believed.deviations[c]), log_e=float(log_e[c]), is_announced=announced,
                    menus_needed=self._needed(float(n[c]), float(means[c]), float(variances[c]), bar, announced),
                )
            )  # fmt: skip
        return found

    def _needed(self, offers: float, mean: float, variance: float, bar: float, announced: bool) -> int | None:
        if announced:
            return 0
        total = sequences.offers_needed(mean, variance, scale=SCALE, bar=bar)
        if total is None:
            return None
        return max(0, math.ceil((total - offers) * self.menus / offers))

    def interactions(self) -> list[Interaction]:
        """How effects on the first outcome change with the build, the clearest first."""
        n, s, q = self._pairs
        total, sums, squares = (a[0][:, None] for a in (self._counts, self._sums, self._squares))
        found = []
        for card, other in np.argwhere((n >= MIN_JOINT) & (total - n >= MIN_JOINT)).tolist():
            k, rest = n[card, other], total[card, 0] - n[card, other]
            inside, outside = s[card, other] / k, (sums[card, 0] - s[card, other]) / rest
            noise = (q[card, other] / k - inside**2) / (k - 1)
            noise += ((squares[card, 0] - q[card, other]) / rest - outside**2) / (rest - 1)
            half = NORMAL_95 * math.sqrt(max(float(noise), 0.0))
            difference = float(inside - outside)
            found.append(
                Interaction(
                    name=self.names[card], other=self.names[other], offers_with=int(k), offers_without=int(rest),
                    difference=difference, low=difference - half, high=difference + half,
                )
            )  # fmt: skip
        return sorted(found, key=lambda i: -abs(i.difference) / max(i.high - i.low, 1e-12))
