"""What an environment observes and does, there and back through the wire, and bytes that are wrong."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.control.arrays import STILL
from agent.core.errors import ProtocolError
from agent.core.types import Action, EnvAction, EnvObservation
from agent.link.env_wire import ACE1_MAGIC, ENV1_MAGIC, MAX_ACTION_PARTS
from agent.link.wire import MAX_ACTION_BYTES, decode_action, decode_state, encode_action, encode_state

PICTURE = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("picture", [None, PICTURE])
def test_an_observation_comes_back_as_it_was_with_what_follows_it(picture: np.ndarray | None) -> None:
    seen = EnvObservation(picture, np.array([1.5, -2.0], np.float32))
    state = decode_state(encode_state(replace(STILL, env=seen, unknown=b"more")))
    assert state.env is not None and state.unknown == b"more"
    assert state.env.numbers.tolist() == [1.5, -2.0] and state.env.shape == seen.shape
    assert state.env.row().tolist() == seen.row().tolist()
    assert decode_state(encode_state(STILL)).env is None


def test_an_observation_that_is_cut_short_or_not_finite_breaks_the_format() -> None:
    whole = encode_state(replace(STILL, env=EnvObservation(PICTURE, np.array([1.0], np.float32))))
    bare = len(encode_state(STILL))
    for size in range(bare + 4, len(whole)):
        with pytest.raises(ProtocolError, match="ENV1"):
            decode_state(whole[:size])
    with pytest.raises(ProtocolError, match="in ENV1"):
        decode_state(whole[:-4] + struct.pack("<f", np.nan))
    longer = struct.pack("<IIHHHIf", ENV1_MAGIC, 10 + 4 + 3, 0, 0, 0, 1, 2.5) + b"new"
    state = decode_state(encode_state(STILL) + longer + b"rest")
    assert state.env is not None and state.env.numbers.tolist() == [2.5] and state.unknown == b"rest"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-1, 1, width=32), max_size=MAX_ACTION_PARTS // 2),
    st.lists(st.integers(0, 2**32 - 1), max_size=MAX_ACTION_PARTS // 2), st.none() | st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_an_action_comes_back_as_it_was(axes: list[float], choices: list[int], answers: int | None) -> None:
    action = Action((1.0, 0.5), fire=True, answers=answers, env=EnvAction(tuple(axes), tuple(choices)))
    encoded = encode_action(action)
    assert decode_action(encoded[4:]) == action and len(encoded) <= MAX_ACTION_BYTES


@pytest.mark.parametrize(
    "body", [struct.pack("<II", ACE1_MAGIC, 4), struct.pack("<IIHfH", ACE1_MAGIC, 8, 1, np.nan, 0), b"ACE1",
             struct.pack("<IIHH", ACE1_MAGIC, 4, 0, 9)],
)  # fmt: skip
def test_an_action_whose_bytes_are_none_is_refused(body: bytes) -> None:
    assert decode_action(encode_action(Action())[4:] + body) is None
