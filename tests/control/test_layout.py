"""The sizes that stand alone are those of the arrays, and of the networks that are made here."""

from __future__ import annotations

from agent.control import encode, layout
from agent.control.untrained import default_sizes
from agent.core.columns import RingColumn, SelfColumn, TokenColumn


def test_the_layout_is_what_is_encoded() -> None:
    one, told = encode.Encoded.empty(2), layout.describe()
    assert one.self_.shape == (2, told["self"]) and one.rings.shape == (2, told["rings"])
    assert list(one.tokens.shape[1:]) == told["tokens"] and list(one.cards.shape[1:]) == told["cards"]
    assert one.mask.shape == (2, layout.TOKENS) and encode.describe() == told


def test_every_column_lies_inside_its_row() -> None:
    assert max(SelfColumn) < layout.SELF_FEATURES and max(TokenColumn) < layout.TOKEN_FEATURES
    assert max(RingColumn) < layout.RING_FEATURES


def test_a_pilot_that_is_made_here_observes_the_layout() -> None:
    sizes, told = default_sizes(), layout.describe()
    assert sizes.encoder.self_features == told["self"] and sizes.encoder.rings == told["rings"]
    assert [sizes.encoder.tokens, sizes.encoder.token_features] == told["tokens"]
