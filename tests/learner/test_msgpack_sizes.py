"""What a msgpack body would become is known before it is decoded."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest

from agent.core.errors import RequestError
from agent.http.decode_child import decoded
from agent.learner.bodies import MAX_NUMBERS, MSGPACK, PushRollout
from agent.learner.msgpack_sizes import check_values
from tests.learner.test_bodies import body

LIMITS = (1000, 200)
MIB = 1 << 20


def refused(more: dict[str, Any]) -> bool:
    try:
        check_values(PushRollout, msgspec.msgpack.encode(body() | more), *LIMITS)
    except RequestError as error:
        assert error.status == 413
        return True
    return False


@pytest.mark.parametrize(
    ("more", "is_refused"),
    [
        ({}, False),
        ({"obs": [[1.5] * 4] * 190}, False),
        ({"obs": [[1.5] * 5] * 200}, True),
        ({"obs": [[1]] * 201}, True),
        ({"obs": [[1]] * 3 + [[0] * 1000]}, True),
        ({"obs": [[]] * 201}, True),
        ({"rewards": [1.0] * 201}, True),
        ({"episode_returns": [1.0] * 201}, True),
        ({"obs": {"dtype": "f4", "shape": [MIB, 1], "data": bytes(4 * MIB)}}, False),
        ({"obs": {"dtype": "f4", "shape": [1] * 2 * MIB, "data": b""}}, True),
        ({"hparams": {"a": [[]] * 2 * MIB}}, True),
        ({"hparams": {"a": [[]] * 1000}}, False),
        ({"unknown": [[]] * 2 * MIB}, False),
    ],
)
def test_lists_are_counted_by_what_they_announce(more: dict[str, Any], is_refused: bool) -> None:
    assert refused(more) == is_refused


@pytest.mark.parametrize(
    "more",
    [
        {"obs": [[0] * 4096] * (MAX_NUMBERS // 4096 + 1)},
        {"rewards": [0] * (2 * MIB)},
        {"obs": [[]] * (4 * MIB)},
        {"hparams": {"a": [{}] * (4 * MIB)}},
    ],
)
def test_a_body_that_would_become_much_is_refused_before_it_does(more: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode(body() | more)
    tracemalloc.start()
    try:
        with pytest.raises(RequestError) as error:
            decoded("rollout", data, MSGPACK)
        assert error.value.status == 413 and tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_what_is_no_msgpack_is_told_as_before() -> None:
    with pytest.raises(RequestError, match="cannot be read") as error:
        decoded("rollout", b"\xc1" + bytes(2 * MIB), MSGPACK)
    assert error.value.status == 400
