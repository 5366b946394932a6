"""Safetensors bodies: the same arrays as JSON and msgpack give, and one clear refusal for whatever is wrong."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from agent.core.errors import RequestError
from agent.core.rollout import Rollout
from agent.http.decode_child import decoded
from agent.learner.bodies import MSGPACK, Arrays, unpack_rollout
from agent.learner.tensor_bodies import MAX_HEADER_BYTES, SAFETENSORS
from tests.http.api_side import TOKEN, api

STEPS = 6
RNG = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "obs": RNG.normal(size=(STEPS, 3)).astype(np.float32),
    "actions_cont": RNG.uniform(-1, 1, (STEPS, 2)).astype(np.float32),
    "actions_disc": RNG.integers(0, 4, (STEPS, 2)),
    "rewards": RNG.normal(size=STEPS).astype(np.float32),
    "dones": np.arange(STEPS) % 3 == 2,
    "truncated": np.arange(STEPS) == 2,
    "is_first": np.arange(STEPS) == 0,
    "elapsed": np.full(STEPS, 0.125),
    "action_masks": np.ones((STEPS, 8), np.uint8),
    "log_probs": np.full(STEPS, -1.5, np.float32),
    "values": np.full(STEPS, 0.25, np.float32),
    "final_obs": RNG.normal(size=(2, 3)).astype(np.float32),
}
TOLD = {"instance_id": "w", "policy_name": "p", "policy_version": "7", "format": "np"}


def bodies(arrays: dict[str, Any], told: dict[str, str]) -> list[tuple[bytes, str]]:
    """The same content as JSON, as msgpack and as safetensors."""
    named = {"instance_id": told["instance_id"], "policy_name": told["policy_name"]}
    named |= {"policy_version": int(told["policy_version"])} if "policy_version" in told else {}
    lists = {name: array.tolist() for name, array in arrays.items()}
    packed = {
        name: {"dtype": array.dtype.str[1:], "shape": array.shape, "data": array.tobytes()}
        for name, array in arrays.items()
    }  # fmt: skip
    return [
        (json.dumps(named | lists).encode(), "application/json"),
        (msgspec.msgpack.encode(named | packed), MSGPACK),
        (save(arrays, metadata=told), SAFETENSORS),
    ]


def equal(one: Rollout, two: Rollout) -> bool:
    return all(np.array_equal(getattr(one, n), getattr(two, n)) for n in Rollout.__struct_fields__)


@pytest.mark.parametrize(
    "left_out", [(), ("actions_cont",), ("final_obs",), ("truncated", "is_first", "elapsed", "action_masks")]
)
def test_all_three_bodies_give_the_same_rollout(left_out: tuple[str, ...]) -> None:
    arrays = {name: array for name, array in ARRAYS.items() if name not in left_out}
    found = [decoded("rollout", *body) for body in bodies(arrays, TOLD)]
    rollouts = [unpack_rollout(payload) for _, payload in found]
    assert rollouts[0].policy_version == 7 and len(rollouts[0]) == STEPS
    seen_last = ARRAYS["obs"][[2, 5]] if "final_obs" in left_out else ARRAYS["final_obs"]
    assert all(np.array_equal(rollout.final_obs, seen_last) for rollout in rollouts)
    assert np.array_equal(rollouts[2].obs, ARRAYS["obs"]) and rollouts[2].actions_disc.dtype == np.int64
    for (head, _), rollout in zip(found[1:], rollouts[1:], strict=True):
        assert head == found[0][0] and isinstance(head, Arrays) and equal(rollout, rollouts[0])


def test_all_three_bodies_give_the_same_demonstration() -> None:
    arrays = {name: ARRAYS[name] for name in ("obs", "actions_cont", "actions_disc")}
    found = [decoded("demo", *body) for body in bodies(arrays, {"instance_id": "", "policy_name": "p"})]
    assert found[0][0] == found[1][0] == found[2][0]
    assert equal(unpack_rollout(found[0][1]), unpack_rollout(found[2][1]))
    head, _ = decoded("demo", save(arrays, metadata={"policy_name": "p"}), SAFETENSORS)
    assert isinstance(head, Arrays) and head.steps == STEPS


def body(changes: dict[str, Any], told: dict[str, str] | None = None) -> bytes:
    arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    return save(arrays, metadata=TOLD if told is None else told)


def raw(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"obs": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (body({"reward": ARRAYS["rewards"]}), "tensor 'reward': one of action_masks, actions_cont"),
        (body({"rewards": None}), "tensor rewards is missing"),
        (body({}, {"policy_name": "p"}), "__metadata__.instance_id is missing"),
        (body({}, {"instance_id": "w"}), "__metadata__.policy_name is missing"),
        (body({}, TOLD | {"policy_version": "new"}), "__metadata__.policy_version 'new': a whole number"),
        (body({"obs": ARRAYS["obs"].astype(np.float16)}), "obs: dtype 'F16'; one of F32, F64"),
        (body({"obs": ARRAYS["obs"][0]}), "obs: 1 axes, 2 are needed"),
        (body({"rewards": ARRAYS["rewards"][:, None]}), "rewards: 2 axes, 1 are needed"),
        (body({"rewards": ARRAYS["rewards"][1:]}), "rewards: 5 values, obs has 6 rows"),
        (body({"actions_disc": ARRAYS["actions_cont"]}), "actions_disc: whole numbers are needed"),
        (body({"actions_disc": ARRAYS["actions_disc"] + 5000}), "actions_disc: 500"),
        (body({"obs": np.full((STEPS, 3), np.nan, np.float32)}), "obs"),
        (body({"obs": np.zeros((0, 3), np.float32)}), "obs"),
        (raw(tensor([1 << 40, 4], 16)), "obs: shape"),
        (raw(tensor([4, 1 << 40], 16)), "obs: shape"),
        (raw(tensor([-1, 4], 16)), "obs: shape"),
        (raw(tensor([4, 4], 16)), "obs: 16 bytes, its shape"),
        (raw(tensor([4, 4], 64), b"\0" * 60), "rewards is missing"),
        (raw({"obs": {"dtype": "F32", "shape": [1, 1]}}), "the header cannot be read"),
        (raw({"__metadata__": {"policy_name": 3}}), "the header cannot be read"),
        (raw(b"[" * 2000), "the header cannot be read"),
        (raw(b" " * (MAX_HEADER_BYTES + 1)), f"a header of {MAX_HEADER_BYTES + 1} bytes"),
        (struct.pack("<Q", 1 << 60) + b"{}", "a header of"),
        (b"\x01\x00", "a header of"),
        (body({})[:-1], "the body cannot be read"),
        (body({}) + b"\0", "the body cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_name(data: bytes, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded("rollout", data, SAFETENSORS)
    assert caught.value.status == 400 and reason in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 900), value=st.binary(max_size=6), kind=st.sampled_from(["rollout", "demo", "event"]))
def test_a_body_that_is_damaged_anywhere_gives_a_rollout_or_a_refusal(at: int, value: bytes, kind: Any) -> None:
    whole = body({})
    try:
        _, payload = decoded(kind, whole[:at] + value + whole[at + len(value) :], SAFETENSORS)
    except RequestError as error:
        assert error.status in (400, 413)
    else:
        assert kind == "rollout" and np.isfinite(unpack_rollout(payload).obs).all()


def test_the_server_takes_the_type_for_rollouts_and_refuses_it_for_the_rest(tmp_path: Path) -> None:
    async def main() -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": SAFETENSORS}
        async with api(tmp_path) as side:
            for path, data, status, reason in (
                ("/push_rollout", body({"rewards": None}), 400, "tensor rewards is missing"),
                ("/push_demo", body({}), 400, "one of actions_cont, actions_disc, obs is needed"),
                ("/register_worker", body({}), 400, "is for rollouts and demonstrations"),
            ):
                async with side.http.post(path, data=data, headers=headers) as reply:
                    assert reply.status == status and reason in (await reply.json())["error"]
            async with side.http.post(
                "/push_rollout", data=b"", headers=headers | {"Content-Type": "application/octet-stream"}
            ) as reply:
                assert reply.status == 415 and SAFETENSORS in (await reply.json())["error"]
            assert side.learning.child.starts == 0

    asyncio.run(main())
