"""The scientist on simulated menus whose true effects are known: errors, coverage, false and true announcements.

A menu offers three of twelve cards. Its outcome depends on six covariates, on the card that is taken and on noise of
one; the policy that takes cards likes them by the same covariates, so that what follows a card is confounded. A run has
20 menus. Three cards have an effect of ±0.5, or none has (`null`). Choices are mixed as in play, with a draw of the
scientist's beliefs: ε is 0.3 for 300 menus, then 0.15, or 0.3 throughout (`wide`).

Looked at is after every menu up to 3,000. As controls that must fail, the same numbers are announced by intervals of
95 % and by the procedure of Benjamini and Hochberg at every look; and effects are estimated by before and after, by
the difference in means and by inverse propensity weighting.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from agent.control.cards.mixture import DRAW_WEIGHT, EPSILON_FIRST, epsilon_after, softmax
from agent.learning.causal import sequences
from agent.learning.causal.scientist import ALPHA, INTERVAL_ALPHA, NORMAL_95, SCALE, Batch, Scientist

DEFAULT_SEEDS: Final = 200
ARMS: Final = ("null", "schedule", "wide")
REDUCED_ARMS: Final = ("schedule",)
CARDS, OFFERED, COVARIATES, MENUS_A_RUN = 12, 3, 6, 20
LOOKS: Final = {"null": 3000, "schedule": 5000, "wide": 1000}
EFFECTS: Final = np.array([0.5, -0.5, 0.5] + [0.0] * (CARDS - 3))
CONFOUNDING: Final = 0.3
OF_COVARIATES: Final = 1.3


class World:
    """One simulated game; `effects` [CARDS] are against 0, what is estimated is against the other offered cards."""

    def __init__(self, seed: int, effects: NDArray[np.float64], *, wide: bool) -> None:
        self.rng = np.random.default_rng(seed)
        self.effects, self.wide = effects, wide
        self.weights = OF_COVARIATES * self.rng.choice([-1.0, 1.0], COVARIATES)
        self.likes = CONFOUNDING * self.rng.standard_normal((CARDS, COVARIATES))
        self.likes += 0.3 * CONFOUNDING * self.weights  # what is liked when things go well
        self.menus = 0

    def run(self, beliefs: Any) -> Batch:
        """The menus of one run, chosen with the scientist's beliefs."""
        rng, rows = self.rng, []
        for _ in range(MENUS_A_RUN):
            cards = rng.permutation(CARDS)[:OFFERED]
            x = rng.standard_normal(COVARIATES)
            epsilon = EPSILON_FIRST if self.wide else epsilon_after(self.menus)
            logits = self.likes[cards] @ x
            if beliefs is not None and beliefs.spread > 0.0 and len(beliefs.means) == CARDS:
                drawn = beliefs.means + beliefs.deviations * rng.standard_normal(CARDS)
                logits = logits + DRAW_WEIGHT / beliefs.spread * drawn[cards]
            chances = (1.0 - epsilon) * softmax(logits) + epsilon / OFFERED
            picked = int(rng.choice(OFFERED, p=chances))
            outcome = x @ self.weights + self.effects[cards[picked]] + rng.standard_normal()
            rows.append((cards, chances, picked, x, outcome))
            self.menus += 1
        cards, chances, picked, x, outcome = (np.array(part) for part in zip(*rows, strict=True))
        return Batch(cards, np.ones_like(cards, np.bool_), chances, picked, x, outcome[:, None])


class Watched(NamedTuple):
    """Everything that was seen in one simulation: scores [M, CARDS] (NaN where not offered), and the raw menus."""

    scores: NDArray[np.float64]
    batches: list[Batch]
    truth: NDArray[np.float64]


def watch(seed: int, arm: str, menus: int) -> Watched:
    """Simulate; the scientist learns after each run."""
    effects = np.zeros(CARDS) if arm == "null" else EFFECTS
    world, scientist = World(seed, effects, wide=arm == "wide"), Scientist(("score_s",), covariates=COVARIATES)
    for card in range(CARDS):
        scientist.index(f"card {card}")
    scores, batches, beliefs = np.full((menus, CARDS), np.nan), [], None
    for first in range(0, menus, MENUS_A_RUN):
        batch = world.run(beliefs)
        found = scientist.add(batch)[0]
        np.put_along_axis(scores[first : first + MENUS_A_RUN], batch.actions, found, 1)
        beliefs = scientist.posterior("score_s")
        batches.append(batch)
    # Against the mean of two of the eleven others, each as likely.
    truth = effects - (effects.sum() - effects) / (CARDS - 1)
    return Watched(scores, batches, truth)


def moments(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Offers, means and variances [M, CARDS] after each menu."""
    known = np.isfinite(scores)
    values = np.where(known, scores, 0.0)
    n = known.cumsum(0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = values.cumsum(0) / n
        variance = np.maximum((values**2).cumsum(0) - n * mean**2, 0.0) / (n - 1.0)
    return n, mean, np.where(n > 1, variance, np.nan)


def peeking(n: NDArray[np.float64], mean: NDArray[np.float64], variance: NDArray[np.float64]) -> dict[str, Any]:
    """Cards [CARDS] that the controls announce at any look: intervals of 95 %, and Benjamini and Hochberg at 0.1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(n >= sequences.MIN_OFFERS, np.abs(mean) / np.sqrt(variance / n), 0.0)
    p = torch.erfc(torch.from_numpy(z / np.sqrt(2.0))).numpy()
    ordered = np.sort(p, 1)
    bars = ALPHA * np.arange(1, CARDS + 1) / CARDS
    passing = ordered <= bars
    many = np.where(passing.any(1), CARDS - np.argmax(passing[:, ::-1], 1), 0)
    bar = np.where(many > 0, bars[np.maximum(many - 1, 0)], -1.0)
    return {"interval": (z > NORMAL_95).any(0), "bh": (p <= bar[:, None]).any(0)}


def naive(batches: list[Batch], menus: int) -> dict[str, NDArray[np.float64]]:
    """Effects [CARDS] by what is not the scientist's way."""
    rows = batches[: menus // MENUS_A_RUN]
    actions, chances = np.concatenate([b.actions for b in rows]), np.concatenate([b.propensities for b in rows])
    picked, y = np.concatenate([b.picked for b in rows]), np.concatenate([b.outcomes[:, 0] for b in rows])
    index = np.arange(len(y))
    taken, weight = actions[index, picked], 1.0 / chances[index, picked]
    before = np.concatenate([[0.0], y[:-1]])
    found: dict[str, list[float]] = {"before and after": [], "difference in means": [], "weighting": []}
    for card in range(CARDS):
        offered, mine = (actions == card).any(1), taken == card
        found["before and after"].append(float((y - before)[mine].mean()))
        found["difference in means"].append(float(y[mine].mean() - y[offered & ~mine].mean()))
        signed = np.where(mine, 1.0, -1.0 / (OFFERED - 1)) * weight * y
        found["weighting"].append(float(signed[offered].mean()))
    return {name: np.array(values) for name, values in found.items()}


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One simulation: what was announced when, errors at 1,000 menus, and whether the sequences held."""
    menus = 1000 if reduced else LOOKS[arm]
    seen = watch(seed, arm, menus)
    n, mean, variance = moments(seen.scores)
    log_e = sequences.log_e_value(n, np.nan_to_num(mean), np.nan_to_num(variance), scale=SCALE)
    announced = sequences.e_benjamini_hochberg(log_e, alpha=ALPHA)
    half = sequences.radius(n, variance, alpha=INTERVAL_ALPHA, scale=SCALE)
    started = n >= sequences.MIN_OFFERS
    held = ~(started & (np.abs(mean - seen.truth) > half)).any(0)
    at = min(1000, menus) - 1
    error = mean[at] - seen.truth
    fixed = np.abs(error) <= NORMAL_95 * np.sqrt(variance[at] / n[at])
    first = np.where(announced.any(0), announced.argmax(0) + 1, 0)
    others = naive(seen.batches, at + 1)
    return {
        "announced_at": first.tolist(), "held": held.tolist(), "error": np.round(error, 5).tolist(),
        "covered": fixed.tolist(), "at_end": announced[-1].tolist(),
        "controls": {name: bool(cards.any()) for name, cards in peeking(n, mean, variance).items()},
        "naive": {name: np.round(values - seen.truth, 5).tolist() for name, values in others.items()},
    }  # fmt: skip


def _rmse(rows: list[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(np.array(rows)))))


def _found(rows: list[Any], by: int) -> float:
    """Share of the three true effects that were announced within `by` menus."""
    at = np.array([row["announced_at"][:3] for row in rows])
    return float(((at > 0) & (at <= by)).mean())


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Figures of all simulations, and whether each is as it should be."""
    schedule = [row["schedule"] for row in rows]
    values: dict[str, Any] = {
        "simulations": len(rows), "rmse_1000": _rmse([r["error"] for r in schedule]),
        "coverage_1000": float(np.mean([r["covered"] for r in schedule])),
        "sequences_held": float(np.mean([r["held"] for r in schedule])),
        "power_1000": _found(schedule, 1000),
        "rmse_of_others_1000": {k: _rmse([r["naive"][k] for r in schedule]) for k in schedule[0]["naive"]},
    }  # fmt: skip
    checks = {"rmse at 1,000 menus at most 0.2": values["rmse_1000"] <= 0.2}
    if not reduced:
        null, wide = [row["null"] for row in rows], [row["wide"] for row in rows]
        values |= {
            "sequences_held_null": float(np.mean([r["held"] for r in null])),
            "rmse_1000_wide": _rmse([r["error"] for r in wide]), "power_1000_wide": _found(wide, 1000),
            "power_5000": _found(schedule, 5000),
            "false_of_announced": _false_share(schedule),
            "null_runs_with_any": float(np.mean([any(r["announced_at"]) for r in null])),
            "null_runs_with_any_of_controls": {
                name: float(np.mean([r["controls"][name] for r in null])) for name in ("interval", "bh")
            },
        }  # fmt: skip
        checks |= {
            "coverage at 1,000 menus .92 to .97": 0.92 <= values["coverage_1000"] <= 0.97,
            "sequences hold at every look": min(values["sequences_held"], values["sequences_held_null"]) >= 0.95,
            "at most .05 of null runs announce anything": values["null_runs_with_any"] <= 0.05,
            "controls announce where there is nothing": min(values["null_runs_with_any_of_controls"].values()) > 0.2,
            "power at 1,000 menus, epsilon .3: .35": values["power_1000_wide"] >= 0.35,
            "power at 1,000 menus, schedule: .28": values["power_1000"] >= 0.28,
            "power at 5,000 menus: .9": values["power_5000"] >= 0.9,
        }  # fmt: skip
    return {**values, "checks": checks, "passed": all(checks.values())}


def _false_share(rows: list[dict[str, Any]]) -> float:
    """Share of the announced effects, over all simulations, that are none."""
    found = np.array([row["announced_at"] for row in rows]) > 0
    return float(found[:, 3:].sum() / max(found.sum(), 1))
