"""Critics read what they say they read, one member does not touch another, and the chosen card is seen."""

from __future__ import annotations

import torch

from agent.control.layout import CARD_FEATURES, CARDS, ENEMIES, SELF_FEATURES, TOKEN_FEATURES, TOKENS
from agent.control.untrained import default_sizes
from agent.core.columns import TokenColumn
from agent.core.rollout import ActionSpec
from agent.learning.off_policy.critics import NEAR_ENEMIES, CriticInputs, Critics, pilot_columns

FEATURES = 1428
SPEC = ActionSpec(4, (2, 2, 2, CARDS))


def test_the_columns_are_the_player_what_is_nearest_and_the_rings() -> None:
    columns = pilot_columns(default_sizes())
    assert len(set(columns)) == len(columns) < 400 and max(columns) < FEATURES - CARDS * CARD_FEATURES
    assert columns[:SELF_FEATURES] == list(range(SELF_FEATURES))
    near = [SELF_FEATURES + k * TOKEN_FEATURES + TokenColumn.NEARNESS for k in (0, NEAR_ENEMIES - 1, ENEMIES)]
    far = SELF_FEATURES + NEAR_ENEMIES * TOKEN_FEATURES + TokenColumn.NEARNESS
    assert set(near) <= set(columns) and far not in columns
    rings = SELF_FEATURES + TOKENS * (TOKEN_FEATURES + 1)
    assert set(range(rings, rings + 160)) <= set(columns)


def test_an_action_shows_its_axes_its_choices_and_the_card_that_it_takes() -> None:
    inputs = CriticInputs(FEATURES, SPEC, [0, 1], (CARDS, CARD_FEATURES))
    obs = torch.randn(2, FEATURES)
    choices = torch.tensor([[[0, 1, 0, 2]], [[1, 0, 0, 0]]])
    made = inputs.actions(obs, torch.full((2, 1, 4), 0.5), choices)
    assert made.shape == (2, 1, inputs.action_width)
    assert made[0, 0, :13].tolist() == [0.5] * 4 + [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    cards = obs[:, -CARDS * CARD_FEATURES :].reshape(2, CARDS, CARD_FEATURES)
    assert torch.equal(made[0, 0, 13:], cards[0, 2]) and torch.equal(made[1, 0, 13:], cards[1, 0])


def test_members_are_alone_and_each_action_is_weighed_alone() -> None:
    torch.manual_seed(0)
    critics = Critics(3, 2, 16, 4)
    state, actions = torch.randn(5, 3), torch.randn(5, 6, 2)
    said = critics(state, actions)
    assert said.shape == (4, 5, 6) and said.std(0).min() > 0
    some = critics(state, actions, torch.tensor([3, 1]))
    assert torch.equal(some, said[[3, 1]])
    alone = critics(state[2:3], actions[2:3, 4:5])
    assert torch.allclose(alone[:, 0, 0], said[:, 2, 4], atol=1e-6)
    said[0].sum().backward()
    assert critics.between.grad is not None
    assert critics.between.grad[0].abs().sum() > 0 and not critics.between.grad[1:].any()
