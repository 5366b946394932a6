"""Bodies of workers' requests: whatever arrives is a rollout or a refusal, and packed arrays are what lists are."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import RequestError
from agent.http.decode_child import decoded
from agent.learner.bodies import MSGPACK, pack_rollout, unpack_rollout

JSON = "application/json"
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def body(steps: int = 4) -> dict[str, Any]:
    return {
        "instance_id": "w", "policy_name": "p", "obs": [[0.5, 1.0]] * steps, "actions_cont": [[0.1]] * steps,
        "actions_disc": [[1]] * steps, "rewards": [0.0] * steps, "dones": [False] * steps,
    }  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from([*body(), "truncated", "is_first", "elapsed", "action_masks", "log_probs"]), value=ANYTHING
)
def test_a_field_that_is_anything_gives_a_rollout_or_a_refusal(field: str, value: Any) -> None:
    data = msgspec.msgpack.encode(body() | {field: value}) if _packs(value) else b"\xc1"
    for kind in ("rollout", "demo", "event", "register"):
        try:
            head, payload = decoded(kind, data, MSGPACK)
        except RequestError as error:
            assert error.status in (400, 413)
            continue
        if kind == "rollout":
            rollout, said = unpack_rollout(payload), head
            assert np.isfinite(rollout.obs).all() and len(rollout) == said.steps


def _packs(value: Any) -> bool:
    try:
        msgspec.msgpack.encode(value)
    except (OverflowError, TypeError, ValueError):
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), kind=st.sampled_from(["rollout", "demo", "event", "register"]))
def test_bytes_that_are_no_body_are_refused(data: bytes, kind: str) -> None:
    for content_type in (JSON, MSGPACK):
        try:
            decoded(kind, data, content_type)
        except RequestError as error:
            assert error.status in (400, 413)


@pytest.mark.parametrize("content_type", [JSON, MSGPACK])
def test_packed_arrays_are_what_lists_are(content_type: str) -> None:
    values = body(3) | {"obs": np.arange(6, dtype=np.float32).reshape(3, 2).tolist()}
    raw = np.arange(6, dtype="<f4").tobytes()
    data: Any = base64.b64encode(raw).decode() if content_type == JSON else raw
    packed = values | {"obs": {"dtype": "f4", "shape": [3, 2], "data": data}}
    encode = (lambda v: json.dumps(v).encode()) if content_type == JSON else msgspec.msgpack.encode
    one, two = (unpack_rollout(decoded("rollout", encode(v), content_type)[1]) for v in (values, packed))
    assert np.array_equal(one.obs, two.obs) and one.obs.dtype == np.float32


def test_times_are_where_the_rollout_fixes_them() -> None:
    values = body(5) | {"dones": [False, True, False, True, False], "truncated": [False, False, False, True, False]}
    head, payload = decoded("rollout", json.dumps(values).encode(), JSON)
    rollout = unpack_rollout(payload)
    assert rollout.terminated.tolist() == [False, True, False, False, False]
    assert rollout.truncated.tolist() == [False, False, False, True, False]
    assert rollout.is_first.tolist() == [True, False, True, False, True]
    assert rollout.elapsed_s.tolist() == pytest.approx([0.0, 1 / 60, 0.0, 1 / 60, 0.0]) and len(rollout.final_obs) == 3
    assert unpack_rollout(pack_rollout(rollout)).policy_version == -1 and head.branches == [2]
