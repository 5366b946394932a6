"""Menus as values: names of cards, what is refused, what describes a situation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.control import encode
from agent.control.arrays import STILL
from agent.core.cards.menu import COVARIATES, CardMenu, card_name, checked, covariates, is_random, score_of
from agent.core.types import NEUTRAL

MENU = CardMenu(
    kind="LevelUp", cards=("Bow (Rare): Damage 10 > 12", "Axe (New): cuts"), actions=("bow", "axe (new)", "skip"),
    propensities=(0.5, 0.4, 0.1), picked=1, covariates=(0.0,) * len(COVARIATES),
)  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "name"),
    [
        ("Bow (Rare): Damage 10 > 12", "bow"), ("Bow (New): a bow", "bow (new)"),
        ("Damage Tome (Common): +8%", "damage tome"),
        ("Food: +25 HP", "food"), ("  LUCKY   Coin ", "lucky coin"), ("", "?"), ("Slow: the (new) one", "slow"),
    ],
)  # fmt: skip
def test_a_card_is_called_by_what_stands_before_its_numbers_and_new_ones_apart(caption: str, name: str) -> None:
    assert card_name(caption) == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"propensities": (0.5, 0.5)}, "3 actions with 2 chances"), ({"picked": 3}, "picked 3"),
        ({"covariates": (1.0,)}, "1 covariates"), ({"propensities": (0.5, 0.4, 0.2)}, "sum to 1.1000"),
    ],
)  # fmt: skip
def test_a_menu_whose_parts_do_not_fit_is_refused(change: dict[str, Any], said: str) -> None:
    values = {name: getattr(MENU, name) for name in MENU.__struct_fields__}
    assert checked(MENU) is MENU
    with pytest.raises(ValueError, match=said):
        checked(CardMenu(**{**values, **change}))


def test_only_a_menu_in_which_everything_could_happen_says_something_of_effects() -> None:
    values = {name: getattr(MENU, name) for name in MENU.__struct_fields__}
    assert is_random(MENU)
    assert not is_random(CardMenu(**{**values, "propensities": (0.0, 1.0, 0.0)}))
    assert not is_random(CardMenu(**{**values, "cards": ()}))


def test_a_situation_has_every_covariate_once_and_in_its_place() -> None:
    out = encode.Encoded.empty(1)
    encode.encode_state(STILL, 0.0, NEUTRAL, out, 0)
    found = dict(zip(COVARIATES, covariates(out.self_[0], out.rings[0], 4), strict=True))
    assert found["health"] == pytest.approx(STILL.health / STILL.max_health)
    assert found["cards"] == pytest.approx(0.2) and found["time_squared"] == found["time"] ** 2
    rings = out.rings[0].copy().reshape(16, -1)
    rings[:, 2] = np.arange(16)
    assert dict(zip(COVARIATES, covariates(out.self_[0], rings.ravel()), strict=True))["far"] == 120.0


def test_a_win_scores_the_cap_and_time_beyond_it_nothing() -> None:
    assert (score_of(300.0, is_won=True), score_of(300.0, is_won=False), score_of(1500.0, is_won=False)) == (
        1200.0,
        300.0,
        1200.0,
    )
