"""Bodies of workers' requests: whatever arrives is a rollout or a refusal, and packed arrays are what lists are."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import RequestError
from agent.http.decode_child import decoded
from agent.learner import bodies
from agent.learner.bodies import (
    MAX_ARRAY_BYTES,
    MAX_NUMBERS,
    MSGPACK,
    ROLLOUT_BYTES,
    check_size,
    json_bytes,
    pack_rollout,
    unpack_rollout,
)

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


def announced(dtype: str, *shape: int, data: str = "") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data": data}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("demo", {"obs": announced("f4", 700_000_000)}),
        ("demo", {"obs": announced("f4", 700_000_000, 0)}),
        ("demo", {"obs": announced("u1", 0, 1 << 62)}),
        ("rollout", {"obs": announced("b1", 700_000_000, 0)}),
        ("rollout", {"obs": announced("f4", 1 << 40, 1 << 40, 0)}),
        ("rollout", {"rewards": announced("f4", 1 << 40)}),
        ("rollout", {"dones": announced("u1", 700_000_000, 0)}),
        ("rollout", {"obs": announced("f4", *[10**18] * 3)}),
        ("rollout", {"obs": announced("f4", *[1] * 1000)}),
    ],
)
def test_a_small_body_that_announces_much_costs_little_and_is_refused(kind: Any, more: dict[str, Any]) -> None:
    data = json.dumps(body() | more).encode()
    decoded("register", b'{"instance_id": "w", "policy_name": "p"}', JSON)
    tracemalloc.start()
    try:
        with pytest.raises(RequestError) as refused:
            decoded(kind, data, JSON)
        assert refused.value.status == 400 and len(str(refused.value)) < 300
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_grows_when_it_is_unpacked_is_held_to_its_limit_before_it_grows() -> None:
    n = MAX_ARRAY_BYTES // 8 + 8
    wide = {"dtype": "u1", "shape": [n // 8, 8], "data": bytes(n)}
    data = msgspec.msgpack.encode(body() | {"actions_disc": wide})
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match=f"at most {MAX_ARRAY_BYTES}") as refused:
            decoded("rollout", data, MSGPACK)
        assert refused.value.status == 413 and tracemalloc.get_traced_memory()[1] < 4 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "[" + "[]," * 20_000 + "[]]", "[" + "{}," * 20_000 + "{}]", "[" + "1.5," * 20_000 + "1.5]",
        "{" + ",".join(f'"k{i}":{{}}' for i in range(20_000)) + "}",
        "[" + '{"":{"":[]}},' * 10_000 + "1]",
    ],
)  # fmt: skip
def test_what_json_takes_is_never_more_than_what_is_reckoned_before(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'{"instance_id": "w", "policy_name": "p", "capabilities": {"x": ' + text.encode() + b"}}"
    tracemalloc.start()
    try:
        decoded("register", data, JSON)
        assert 4 * len(data) < tracemalloc.get_traced_memory()[1] < json_bytes(data)
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(bodies, "MAX_JSON_BYTES", json_bytes(data) - 1)
    with pytest.raises(RequestError, match="MiB when it is read") as refused:
        decoded("register", data, JSON)
    assert refused.value.status == 413


@pytest.mark.parametrize("row", [b"[1.2562],", b"[" + b"1.5," * 4095 + b"1.5],"], ids=["rows of one", "wide rows"])
def test_what_the_limit_of_numbers_allows_the_limit_of_bytes_takes(row: bytes) -> None:
    n = (MAX_NUMBERS - 40) // (row.count(b",") + 1)
    data = b'{"obs":[' + row * n + b"[1]]}"
    assert len(data) < ROLLOUT_BYTES and MAX_NUMBERS - 5000 < data.count(b",") + data.count(b"[") <= MAX_NUMBERS
    check_size(data)


def test_lists_in_msgpack_are_held_to_the_numbers_that_json_may_have() -> None:
    row = [0] * 4096
    data = msgspec.msgpack.encode(body() | {"obs": [row] * (MAX_NUMBERS // 4096 + 1)})
    with pytest.raises(RequestError, match="numbers") as refused:
        decoded("rollout", data, MSGPACK)
    assert refused.value.status == 413


def test_a_demonstration_in_packed_arrays_is_what_it_is_in_lists() -> None:
    obs = np.arange(6, dtype="<f4").reshape(3, 2)
    packed = {"dtype": "f4", "shape": [3, 2], "data": base64.b64encode(obs.tobytes()).decode()}
    common = {"policy_name": "p", "actions_disc": [[1], [0], [1]]}
    both = [decoded("demo", json.dumps(common | {"obs": each}).encode(), JSON) for each in (packed, obs.tolist())]
    assert both[0] == both[1] and both[0][0].steps == 3  # type: ignore[attr-defined]
