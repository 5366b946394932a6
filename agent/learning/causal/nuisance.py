"""What is to be expected of a menu before it is looked at: ridge regression on runs that ended earlier.

A row is: one, the covariates, where the card lies on the screen, and which card it is (one-hot, as many as are known).
Covariates are punished in proportion to their spread, so that their units do not matter.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PENALTY: Final = 3.0
CARD_PENALTY: Final = 8.0
POSITIONS: Final = 3


class Ridge:
    """Sums of squares and products of all rows so far, and the coefficients of the last fit; `fixed` columns of a row
    come before the cards' ones.
    """

    def __init__(self, fixed: int, cards: int = 0) -> None:
        self.fixed = fixed
        self.count = 0
        self._products = np.zeros((fixed + cards, fixed + cards))
        self._targets = np.zeros(fixed + cards)
        self.coefficients: Array = np.zeros(fixed + cards)

    def widen(self, cards: int) -> None:
        """Know so many cards; what was learned stays."""
        more = self.fixed + cards - len(self._targets)
        if more > 0:
            self._products = np.pad(self._products, (0, more))
            self._targets = np.pad(self._targets, (0, more))
            self.coefficients = np.pad(self.coefficients, (0, more))

    def add(self, rows: Array, targets: Array) -> None:
        """Take in rows [N, fixed + cards] with their outcomes [N]; predictions stay those of the last fit."""
        self._products += rows.T @ rows
        self._targets += rows.T @ targets
        self.count += len(rows)

    def fit(self) -> None:
        """Fit all rows so far; without any, predictions are 0."""
        if self.count == 0:
            return
        diagonal = self._products.diagonal() / self.count
        mean: Array = self._products[0] / self.count
        spread: Array = np.maximum(diagonal - mean**2, 1e-6)
        of_cards = np.full(len(spread) - self.fixed, CARD_PENALTY)
        penalties: Array = np.concatenate([PENALTY * spread[: self.fixed], of_cards])
        penalties[0] = 1e-6
        solved = np.linalg.solve(self._products + np.diag(penalties), self._targets)
        self.coefficients = np.asarray(solved, np.float64)

    def predict(self, rows: Any) -> Array:
        """What is expected of rows [..., fixed + cards]."""
        found: Array = rows @ self.coefficients
        return found


def rows_of(covariates: Array, cards: NDArray[np.int64], known: int) -> Array:
    """Rows [M, K, fixed + known] of every action of M menus: covariates [M, F], and which card each is [M, K].

    The first `POSITIONS` actions have a column each that says where they are; an index below 0 is no card.
    """
    menus, actions = cards.shape
    fixed = fixed_columns(covariates.shape[1])
    rows = np.zeros((menus, actions, fixed + known))
    rows[..., 0] = 1.0
    rows[..., 1 : 1 + covariates.shape[1]] = covariates[:, None]
    for k in range(min(POSITIONS - 1, actions)):
        rows[:, k + 1 : k + 2, 1 + covariates.shape[1] + k] = 1.0
    menu, action = np.nonzero(cards >= 0)
    rows[menu, action, fixed + cards[menu, action]] = 1.0
    return rows


def fixed_columns(covariates: int) -> int:
    """Columns of a row before the cards'."""
    return 1 + covariates + POSITIONS - 1
