"""Rollouts and demonstrations as the body of a safetensors file.

The tensors have the names of the fields of a rollout. The file's metadata hold `instance_id`, `policy_name`,
`rollout_id` and `policy_version` as text; other metadata are not read. Names, types, shapes and sizes are refused from
the header, before anything is made of the data. Owns no socket.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np
import safetensors
from safetensors import SafetensorError
from safetensors.numpy import save

from agent.core.errors import RequestError
from agent.core.rollout import MAX_STEPS, Rollout
from agent.learner.bodies import MAX_AXES, MAX_BRANCHES, MAX_CHOICES, MAX_FEATURES, Packed, PushDemo, PushRollout

SAFETENSORS: Final = "application/vnd.safetensors"
MAX_HEADER_BYTES: Final = 1 << 16
_CODES: Final = {"F32": "f4", "F64": "f8", "I32": "i4", "I64": "i8", "U8": "u1", "BOOL": "b1"}
_WIDTHS: Final = {
    "obs": MAX_FEATURES, "final_obs": MAX_FEATURES, "actions_cont": MAX_AXES, "actions_disc": MAX_BRANCHES,
    "action_masks": MAX_BRANCHES * MAX_CHOICES,
}  # fmt: skip
_REQUIRED: Final[dict[Any, tuple[str, ...]]] = {PushRollout: ("obs", "rewards", "dones"), PushDemo: ("obs",)}
_TENSORS: Final[dict[Any, set[str]]] = {
    PushRollout: {
        *_WIDTHS, "rewards", "dones", "truncated", "is_first", "elapsed", "log_probs", "values", "carry",
        "outcome_rewards",
    },
    PushDemo: {"obs", "actions_cont", "actions_disc"},
}  # fmt: skip


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor of a header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_tensors(kind: type[Any], body: bytes) -> Any:
    """The body as `kind`, PushRollout or PushDemo; raises RequestError(400) saying where it is wrong."""
    if kind not in _TENSORS:
        raise RequestError(400, f"{SAFETENSORS} is for rollouts and demonstrations; send JSON or msgpack")
    metadata, tensors = _header(body)
    for name, tensor in tensors.items():
        if name not in _TENSORS[kind]:
            raise RequestError(400, f"tensor {name[:40]!r}: one of {', '.join(sorted(_TENSORS[kind]))} is needed")
        _check(name, tensor)
    for name in _REQUIRED[kind]:
        if name not in tensors:
            raise RequestError(400, f"tensor {name} is missing")
    try:
        found = safetensors.deserialize(body)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise RequestError(400, f"the body cannot be read: {error}") from error
    fields: dict[str, Any] = {
        name: Packed(_CODES[tensor["dtype"]], tensor["shape"], bytes(tensor["data"])) for name, tensor in found
    }
    return msgspec.convert(fields | _told(kind, metadata), kind)


def _told(kind: type[Any], metadata: dict[str, str]) -> dict[str, Any]:
    """What the metadata say, by the names of the fields."""
    told: dict[str, Any] = {}
    for name in ("policy_name",) if kind is PushDemo else ("policy_name", "instance_id"):
        if name not in metadata:
            raise RequestError(400, f"__metadata__.{name} is missing")
    for name in ("policy_name", "instance_id", "rollout_id") if kind is PushRollout else ("policy_name", "instance_id"):
        if name in metadata:
            told[name] = metadata[name]
    if kind is PushRollout and "policy_version" in metadata:
        text = metadata["policy_version"]
        try:
            told["policy_version"] = int(text[:20])
        except ValueError as error:
            raise RequestError(400, f"__metadata__.policy_version {text[:20]!r}: a whole number is needed") from error
    return told


def _header(body: bytes) -> tuple[dict[str, str], dict[str, _Tensor]]:
    length = int.from_bytes(body[:8], "little")
    if len(body) < 8 or length > min(MAX_HEADER_BYTES, len(body) - 8):
        raise RequestError(
            400, f"a header of {length} bytes in a body of {len(body)}; at most {MAX_HEADER_BYTES} are taken"
        )
    try:
        header = msgspec.json.decode(body[8 : 8 + length], type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(header.pop("__metadata__", msgspec.Raw(b"{}")), type=dict[str, str])
        tensors = {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items()}
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise RequestError(400, f"the header cannot be read: {error}") from error
    return metadata, tensors


def _check(name: str, tensor: _Tensor) -> None:
    """Refuse a tensor by its header."""
    code = _CODES.get(tensor.dtype)
    if code is None:
        raise RequestError(400, f"{name}: dtype {tensor.dtype[:20]!r}; one of {', '.join(_CODES)} is needed")
    axes = 2 if name in _WIDTHS else 1
    limits = [MAX_STEPS, _WIDTHS.get(name, 0)][:axes]
    if len(tensor.shape) != axes:
        raise RequestError(400, f"{name}: {len(tensor.shape)} axes, {axes} are needed")
    if not all(0 <= size <= limit for size, limit in zip(tensor.shape, limits, strict=True)):
        raise RequestError(400, f"{name}: shape {tensor.shape}; at most {limits} is taken")
    begin, end = tensor.data_offsets
    needed = math.prod(tensor.shape) * int(code[1])
    if end - begin != needed:
        raise RequestError(400, f"{name}: {end - begin} bytes, its shape {tensor.shape} needs {needed}")


def write_tensors(rollout: Rollout, rollout_id: str, version: int) -> bytes:
    """A rollout as the body of a push; `version`: that the learner gave the weights which acted."""
    metadata = {
        "instance_id": rollout.instance, "policy_name": rollout.policy, "policy_version": str(version),
        "rollout_id": rollout_id,
    }  # fmt: skip
    arrays: dict[str, Any] = {
        "obs": rollout.obs, "actions_cont": rollout.actions_cont, "actions_disc": rollout.actions_disc,
        "rewards": rollout.rewards, "dones": rollout.is_last, "truncated": rollout.truncated,
        "is_first": rollout.is_first, "elapsed": rollout.elapsed_s, "final_obs": rollout.final_obs,
        "log_probs": rollout.log_probs, "values": rollout.values, "action_masks": rollout.action_masks,
        "carry": rollout.carry, "outcome_rewards": rollout.outcome_rewards,
    }  # fmt: skip
    there = {name: np.ascontiguousarray(each) for name, each in arrays.items() if each is not None and each.size}
    return save(there, metadata=metadata)
