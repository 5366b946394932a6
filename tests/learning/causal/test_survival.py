"""The chance of surviving: which situations count as survived, and that chances are what happens."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.cards.menu import COVARIATES, Situation
from agent.learning.causal.survival import BOSS_AT_S, MIN_RUNS, Survival, calibration_of, fit_logistic, labels, sigmoid


def situation(at_s: float, health: float = 1.0) -> Situation:
    values = dict.fromkeys(COVARIATES, 0.0) | {"health": health, "time": at_s / 600.0, "hurt": (1.0 - health) ** 2}
    return Situation(at_s, tuple(values.values()))


@pytest.mark.parametrize(
    ("lived_s", "died", "won", "minute", "boss"),
    [
        (200.0, True, False, [1, 0, np.nan], [0, 0, np.nan]), (200.0, False, False, [1, np.nan, np.nan], [np.nan] * 3),
        (200.0, False, True, [1, 1, np.nan], [1, 1, np.nan]), (900.0, True, False, [1, 1, 1], [1, 1, np.nan]),
    ],
)  # fmt: skip
def test_who_survived_and_of_whom_it_is_not_known(
    lived_s: float, died: bool, won: bool, minute: list[float], boss: list[float]
) -> None:
    seen = [situation(100.0), situation(180.0), *([situation(700.0)] if lived_s > 700 else [])]
    found = labels(seen, lived_s, died=died, won=won)
    assert found[:, 0] == pytest.approx(minute[: len(seen)], nan_ok=True)
    assert found[:, 1] == pytest.approx(boss[: len(seen)], nan_ok=True)


def test_a_logistic_regression_finds_the_coefficients() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.ones((20_000, 1)), rng.normal(3.0, 2.0, (20_000, 2))], 1)
    truth = np.array([0.5, -0.7, 0.3])
    found = fit_logistic(rows, (rng.random(20_000) < sigmoid(rows @ truth)).astype(np.float64))
    assert found == pytest.approx(truth, abs=0.08)


def test_calibration_by_hand() -> None:
    found = calibration_of(np.array([0.15, 0.15, 0.95]), np.array([0.0, 1.0, 1.0]))
    assert found.ece == pytest.approx((abs(0.3 - 1.0) + 0.05) / 3) and found.count == 3
    assert found.brier_of_mean == pytest.approx(2 / 9) and calibration_of(np.zeros(0), np.zeros(0)).count == 0


def runs(survival: Survival, count: int, seed: int) -> None:
    """Runs in which every ten seconds the chance of death is higher the lower the health."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        seen, at_s, died = [], 0.0, False
        while at_s < BOSS_AT_S + 100.0 and not died:
            health = float(rng.random())
            seen.append(situation(at_s, health))
            at_s += 10.0
            died = bool(rng.random() < 0.08 * (1.0 - health))
        survival.add_run(seen, at_s, died=died, won=False)


def test_chances_are_what_happens_and_are_not_said_before_enough_was_seen() -> None:
    survival = Survival()
    runs(survival, MIN_RUNS - 1, 0)
    assert survival.chances(situation(10.0)) == {"next_60_s": None, "to_the_boss": None}
    runs(survival, 150, 1)
    good, bad = (survival.chances(situation(100.0, health)) for health in (1.0, 0.0))
    assert good["next_60_s"] is not None and bad["next_60_s"] is not None
    assert (
        1.0 > good["next_60_s"] > bad["next_60_s"] + 0.02 and survival.chances(situation(650.0))["to_the_boss"] is None
    )
    found = survival.calibration()
    assert found["next_60_s"].ece < 0.05 and found["next_60_s"].count > 1000
    late, early = (survival.chances(situation(at_s))["to_the_boss"] or 0.0 for at_s in (590.0, 10.0))
    assert late > early + 0.2 and found["to_the_boss"].brier < found["to_the_boss"].brier_of_mean
