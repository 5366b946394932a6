"""Chances of a menu: their floors, who has a say, and how much is left to chance when."""

from __future__ import annotations

import numpy as np
import pytest

from agent.control.cards.mixture import DRAW_WEIGHT, FIRST_MENUS, OTHER_CHANCE, Beliefs, drawn, epsilon_after, mixed


def test_every_card_keeps_a_third_of_what_is_left_to_chance_and_other_actions_their_own() -> None:
    rng = np.random.default_rng(0)
    for others in range(4):
        for epsilon in (0.15, 0.3):
            chances = mixed(rng.normal(0, 20, 3), np.zeros(3 + others), 3, epsilon)
            assert chances.sum() == pytest.approx(1.0) and chances[:3].min() >= epsilon / 3 - 1e-12
            assert chances[3:].size == others and (chances[3:] >= OTHER_CHANCE - 1e-12).all()
    assert mixed(np.zeros(3), np.zeros(3), 3, 0.15) == pytest.approx(np.full(3, 1 / 3))


def test_voices_and_beliefs_both_move_the_chances() -> None:
    plain = mixed(np.array([1.0, 0.0, 0.0]), np.zeros(3), 3, 0.15)
    assert plain[0] > plain[1] == plain[2]
    moved = mixed(np.array([1.0, 0.0, 0.0]), np.array([0.0, 3.0, 0.0]), 3, 0.15)
    assert moved[1] > moved[0] > moved[2]


def test_less_is_left_to_chance_later() -> None:
    assert [epsilon_after(n) for n in (0, FIRST_MENUS - 1, FIRST_MENUS, 9999)] == [0.3, 0.3, 0.15, 0.15]


def test_draws_follow_beliefs_and_strangers_the_spread() -> None:
    beliefs = Beliefs({"bow": 0, "axe": 1}, np.array([10.0, -10.0]), np.array([0.5, 5.0]), 10.0, 50)
    rng = np.random.default_rng(0)
    found = np.array([drawn(beliefs, ("bow", "axe", "new"), rng) for _ in range(3000)]) / DRAW_WEIGHT
    assert found.mean(0) == pytest.approx([1.0, -1.0, 0.0], abs=0.08)
    assert found.std(0) == pytest.approx([0.05, 0.5, 1.0], rel=0.1)
    assert not drawn(Beliefs(), ("bow",), rng).any()
