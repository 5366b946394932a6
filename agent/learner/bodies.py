"""Bodies of the learner's HTTP requests: JSON or msgpack, checked, and turned into rollouts.

Wherever a body holds an array it may be nested lists or {"dtype", "shape", "data"}, data being little-endian bytes
(base64 in JSON). `tensor_bodies` reads safetensors. Owns no socket; large bodies are decoded in a process of their own.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.concurrency.frames import Message
from agent.core.clock import TICK_S
from agent.core.errors import RequestError
from agent.core.rollout import MAX_STEPS, ActionSpec, Rollout, check_rollout
from agent.learner.msgpack_sizes import check_values

MSGPACK: Final = "application/msgpack"
MAX_NUMBERS: Final = 6 << 20
MAX_ARRAY_BYTES: Final = 64 << 20
"""Of one array as it is learned from, and of a rollout beside its greatest array."""
ROLLOUT_BYTES: Final = 32 << 20
"""Of the body of a rollout or a demonstration."""
_VALUE_BYTES, _LIST_BYTES, _KEY_BYTES = 34, 64, 200
"""Of Python's objects: a number and its place in a list that grows, an empty list or object, a key and its entry."""
MAX_JSON_BYTES: Final = 2 * ROLLOUT_BYTES + _VALUE_BYTES * MAX_NUMBERS + _LIST_BYTES * MAX_NUMBERS // 2 + (1 << 20)
"""What MAX_NUMBERS may take in rows of one number, which count as two, with 1 MiB for the fields around them."""
MAX_FEATURES: Final = 1 << 16
MAX_AXES, MAX_BRANCHES, MAX_CHOICES = 64, 32, 1024
ROLLOUT_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DTYPES: Final = {
    "f4": np.float32, "f8": np.float64, "i4": np.int32, "i8": np.int64, "u1": np.uint8, "b1": np.bool_,
}  # fmt: skip


class Packed(msgspec.Struct, frozen=True):
    """An array as bytes; dtype f4, f8, i4, i8, u1 or b1."""

    dtype: str
    shape: list[int]
    data: bytes


Numbers = list[float | bool] | Packed
Matrix = list[list[float | bool]] | Packed


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """POST /register_worker."""

    instance_id: str
    policy_name: str
    capabilities: dict[str, Any] = {}


def shape_asked(capabilities: dict[str, Any]) -> tuple[int, int | None, list[int] | None]:
    """Features, axes and branches that a worker names, 0 or None where it does not; raises RequestError(400)."""
    features, branches = capabilities.get("obs_dim", 0), capabilities.get("branches")
    axes = capabilities.get("action_dim", capabilities.get("continuous", 0 if branches else None))
    if not isinstance(features, int) or not 0 <= features <= MAX_FEATURES:
        raise RequestError(400, f"capabilities.obs_dim {features!r}: 1 to {MAX_FEATURES}")
    if axes is not None and not (isinstance(axes, int) and 0 <= axes <= MAX_AXES):
        raise RequestError(400, f"capabilities.action_dim {axes!r}: 0 to {MAX_AXES}")
    if branches is not None:
        sizes_fit = isinstance(branches, list) and all(isinstance(n, int) and 1 <= n <= MAX_CHOICES for n in branches)
        if not sizes_fit or len(branches) > MAX_BRANCHES:
            raise RequestError(400, f"capabilities.branches: up to {MAX_BRANCHES} sizes of 1 to {MAX_CHOICES}")
    return features, axes, branches


class PushRollout(msgspec.Struct, frozen=True, kw_only=True):
    """POST /push_rollout; `policy_version` −1 is the current one; without `is_first` each push begins an episode.

    final_obs, K rows: what was seen after each step of `dones` or `truncated`, each step before a row of `is_first`,
    and the last step, in order. Without it a value at a cut is that of the step's own observation.
    rollout_id: it is journaled and applied at most once (`learner.remote`), and the answer does not wait for that.
    carry: the memory of the policy that acted, before the first row. outcome_rewards: what outcomes of choices pay.
    """

    instance_id: str
    policy_name: str
    obs: Matrix
    actions_cont: Matrix = []
    actions_disc: Matrix = []
    rewards: Numbers
    dones: Numbers
    truncated: Numbers | None = None
    is_first: Numbers | None = None
    elapsed_s: Numbers | None = msgspec.field(default=None, name="elapsed")
    final_obs: Matrix | None = None
    action_masks: Matrix | None = None
    log_probs: Numbers | None = None
    values: Numbers | None = None
    policy_version: int = -1
    episode_returns: list[float] = []
    episode_lengths: list[float] = []
    hparams: dict[str, Any] = {}
    rollout_id: str = ""
    carry: Numbers | None = None
    outcome_rewards: Numbers | None = None


class PushDemo(msgspec.Struct, frozen=True, kw_only=True):
    """POST /push_demo."""

    policy_name: str
    obs: Matrix
    actions_cont: Matrix = []
    actions_disc: Matrix = []
    instance_id: str = ""


class PostEvent(msgspec.Struct, frozen=True, kw_only=True):
    """POST /events; event_id and ts are given here."""

    event_type: str
    instance_id: str = ""
    message: str = ""
    payload: Any = None


class Arrays(Message, frozen=True):
    """What a body with arrays says beside them: `branches` are the greatest indices + 1, `units` numbers of memory."""

    instance: str
    policy: str
    version: int
    steps: int
    features: int
    continuous: int
    branches: list[int]
    has_log_probs: bool = False
    ignored: list[str] = []
    rollout_id: str = ""
    units: int = 0


def decode(kind: type[Any], body: bytes, content_type: str) -> Any:
    """A body as `kind`; raises RequestError(400) saying where it is wrong."""
    try:
        if content_type == MSGPACK:
            check_values(kind, body, MAX_NUMBERS, MAX_STEPS)
            return msgspec.msgpack.decode(body, type=kind)
        check_size(body)
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise RequestError(400, f"the body cannot be read: {error}") from error


def check_size(body: bytes) -> None:
    """Refuse JSON of too many numbers or bytes, before anything is made of it; raises RequestError(413)."""
    if body.count(b",") + body.count(b"[") > MAX_NUMBERS:
        raise RequestError(
            413, f"the body holds more than {MAX_NUMBERS} numbers; send safetensors, or msgpack with packed arrays"
        )
    needed = json_bytes(body)
    if needed > MAX_JSON_BYTES:
        raise RequestError(
            413,
            f"the body takes {needed >> 20} MiB when it is read, at most {MAX_JSON_BYTES >> 20} are taken; send "
            "safetensors, or msgpack with packed arrays",
        )


def json_bytes(body: bytes) -> int:
    """Bytes that the values of a JSON body take at most: of lists, objects, their entries, and what stands in them."""
    entries, lists, objects, keys = (body.count(mark) for mark in (b",", b"[", b"{", b":"))
    return 2 * len(body) + _VALUE_BYTES * (entries + lists + 1) + _LIST_BYTES * (lists + objects) + _KEY_BYTES * keys


def array(value: Any, dtype: type[np.generic], axes: int, name: str) -> NDArray[Any]:
    """A field as an array of `axes` axes; raises RequestError(400)."""
    if isinstance(value, Packed):
        found = _unpacked(value, name)
    else:
        if axes == 2 and len({len(row) for row in value}) > 1:
            raise RequestError(400, f"{name}: its rows differ in length")
        numbers = len(value) * max(1, len(value[0])) if axes == 2 and value else len(value)
        if numbers > MAX_NUMBERS:
            raise RequestError(413, f"{name}: {numbers} numbers; at most {MAX_NUMBERS} are taken as lists")
        found = np.array(value, np.float64)
    needed = found.size * np.dtype(dtype).itemsize
    if needed > MAX_ARRAY_BYTES:
        raise RequestError(
            413, f"{name}: takes {needed} bytes as {np.dtype(dtype)}; at most {MAX_ARRAY_BYTES} are taken"
        )
    if found.ndim != axes and found.size:
        raise RequestError(400, f"{name}: {found.ndim} axes, {axes} are needed")
    whole = found.dtype.kind != "f" or (np.isfinite(found).all() and (found == np.rint(found)).all())
    if np.dtype(dtype).kind in "ib" and not whole:
        raise RequestError(400, f"{name}: whole numbers are needed")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(found.astype(dtype))


def _unpacked(value: Packed, name: str) -> NDArray[Any]:
    dtype = _DTYPES.get(value.dtype)
    if dtype is None:
        raise RequestError(400, f"{name}: dtype {value.dtype[:20]!r}; one of {', '.join(_DTYPES)} is needed")
    if len(value.shape) > 4 or not all(0 <= n <= MAX_ARRAY_BYTES for n in value.shape):
        raise RequestError(400, f"{name}: shape {str(value.shape[:8])[:80]} is none; 0 to {MAX_ARRAY_BYTES} a side")
    needed = math.prod(value.shape) * np.dtype(dtype).itemsize
    if needed != len(value.data):
        raise RequestError(400, f"{name}: {len(value.data)} bytes, its shape {value.shape} needs {needed}")
    return np.frombuffer(value.data, np.dtype(dtype).newbyteorder("<")).reshape(value.shape)


def _actions(body: PushRollout | PushDemo, steps: int) -> tuple[NDArray[Any], NDArray[Any], list[int]]:
    cont = array(body.actions_cont, np.float32, 2, "actions_cont")
    disc = array(body.actions_disc, np.int64, 2, "actions_disc")
    cont = cont if cont.size else np.zeros((steps, 0), np.float32)
    disc = disc if disc.size else np.zeros((steps, 0), np.int64)
    if cont.shape[0] != steps or disc.shape[0] != steps:
        raise RequestError(400, f"obs has {steps} rows, actions_cont {len(cont)}, actions_disc {len(disc)}")
    if cont.shape[1] > MAX_AXES or disc.shape[1] > MAX_BRANCHES:
        raise RequestError(400, f"{cont.shape[1]} axes, {disc.shape[1]} branches; at most {MAX_AXES}, {MAX_BRANCHES}")
    if disc.size and (disc.min() < 0 or disc.max() >= MAX_CHOICES):
        raise RequestError(400, f"actions_disc: {disc.min()} to {disc.max()}; 0 to {MAX_CHOICES - 1} are taken")
    return cont, disc, [int(n) + 1 for n in disc.max(0)] if disc.size else []


def _observed(value: Matrix) -> NDArray[Any]:
    """The observations, f32 [T, D]: how many steps there are is known from them alone."""
    obs = array(value, np.float32, 2, "obs")
    if not obs.size or obs.shape[1] > MAX_FEATURES or len(obs) > MAX_STEPS:
        raise RequestError(
            400, f"obs: {list(obs.shape)}; 1 to {MAX_STEPS} rows of 1 to {MAX_FEATURES} numbers are needed"
        )
    return obs


def _final(value: Matrix, rows: int, features: int) -> NDArray[Any]:
    """The observations after the cuts, f32 [rows, features]."""
    found = array(value, np.float32, 2, "final_obs")
    if found.shape != (rows, features):
        raise RequestError(
            400,
            f"final_obs: {list(found.shape)}; {[rows, features]} is needed: a row for each step that is done or "
            "truncated, for each before the first row of an episode, and for the last",
        )
    return found


def rollout_of(body: PushRollout) -> tuple[Arrays, Rollout]:
    """A pushed rollout as ours; raises RequestError(400) naming the field that is wrong."""
    obs = _observed(body.obs)
    steps = len(obs)
    cont, disc, branches = _actions(body, steps)

    def column(value: Numbers | None, dtype: type[np.generic], name: str) -> NDArray[Any] | None:
        if value is None:
            return None
        found = array(value, dtype, 1, name)
        if len(found) != steps:
            raise RequestError(400, f"{name}: {len(found)} values, obs has {steps} rows")
        return found

    dones, cut = column(body.dones, np.bool_, "dones"), column(body.truncated, np.bool_, "truncated")
    rewards = column(body.rewards, np.float32, "rewards")
    assert dones is not None and rewards is not None
    truncated = cut if cut is not None else np.zeros(steps, np.bool_)
    first = column(body.is_first, np.bool_, "is_first")
    is_first = np.zeros(steps, np.bool_) if first is None else first.copy()
    is_first[0] |= first is None
    is_first[1:] |= (dones | truncated)[:-1]
    elapsed_s = column(body.elapsed_s, np.float32, "elapsed")
    if elapsed_s is None:
        elapsed_s = np.where(is_first, 0.0, TICK_S).astype(np.float32)
    masks = None if body.action_masks is None else array(body.action_masks, np.bool_, 2, "action_masks")
    last = dones | truncated | np.append(is_first[1:], True)
    final_obs = obs[last] if body.final_obs is None else _final(body.final_obs, int(last.sum()), obs.shape[1])
    rollout = Rollout(
        instance=body.instance_id, policy=body.policy_name, policy_version=body.policy_version, obs=obs,
        actions_cont=cont, actions_disc=disc, rewards=rewards,
        terminated=dones & ~truncated, truncated=truncated, is_first=is_first, elapsed_s=elapsed_s, final_obs=final_obs,
        log_probs=column(body.log_probs, np.float32, "log_probs"), values=column(body.values, np.float32, "values"),
        action_masks=masks, carry=None if body.carry is None else array(body.carry, np.float32, 1, "carry"),
        outcome_rewards=column(body.outcome_rewards, np.float32, "outcome_rewards"),
    )  # fmt: skip
    spec = ActionSpec(cont.shape[1], tuple(branches))
    total = sum(value.nbytes for name in _ARRAYS if (value := getattr(rollout, name)) is not None)
    if total > 2 * MAX_ARRAY_BYTES:
        raise RequestError(413, f"the arrays take {total} bytes; at most {2 * MAX_ARRAY_BYTES} are taken")
    reason = check_rollout(msgspec.structs.replace(rollout, action_masks=None), obs.shape[1], spec)
    if reason:
        raise RequestError(400, reason)
    head = Arrays(
        instance=body.instance_id, policy=body.policy_name, version=body.policy_version, steps=steps,
        features=obs.shape[1], continuous=cont.shape[1], branches=branches, has_log_probs=body.log_probs is not None,
        ignored=["hparams"] if body.hparams else [], rollout_id=_checked_id(body.rollout_id),
        units=0 if rollout.carry is None else len(rollout.carry),
    )  # fmt: skip
    return head, rollout


def _checked_id(text: str) -> str:
    """A rollout's id, or "" where it has none; raises RequestError(400)."""
    if text and ROLLOUT_ID.fullmatch(text) is None:
        raise RequestError(400, f"rollout_id {text[:80]!r}: 1 to 64 small letters, digits, _ and -")
    return text


def demo_of(body: PushDemo) -> tuple[Arrays, Rollout]:
    """A demonstration as a rollout without rewards."""
    obs = _observed(body.obs)
    none = Packed("u1", [len(obs)], bytes(len(obs)))
    return rollout_of(
        PushRollout(
            instance_id=body.instance_id, policy_name=body.policy_name,
            obs=Packed("f4", list(obs.shape), obs.tobytes()), actions_cont=body.actions_cont,
            actions_disc=body.actions_disc, rewards=none, dones=none,
        )
    )  # fmt: skip


_ARRAYS: Final = (
    "obs", "actions_cont", "actions_disc", "rewards", "terminated", "truncated", "is_first", "elapsed_s", "final_obs",
    "log_probs", "values", "action_masks", "carry", "outcome_rewards",
)  # fmt: skip
_CODES: Final = {np.dtype(t): code for code, t in _DTYPES.items()}


class _PackedRollout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rollout between two processes of ours."""

    instance: str
    policy: str
    policy_version: int
    arrays: dict[str, Packed]


def pack_rollout(rollout: Rollout) -> bytes:
    """A rollout as bytes, for another process of ours."""
    arrays = {
        name: Packed(_CODES[value.dtype], list(value.shape), np.ascontiguousarray(value).tobytes())
        for name in _ARRAYS
        if (value := getattr(rollout, name)) is not None
    }
    return msgspec.msgpack.encode(_PackedRollout(rollout.instance, rollout.policy, rollout.policy_version, arrays))


def unpack_rollout(data: bytes) -> Rollout:
    """What `pack_rollout` wrote."""
    found = msgspec.msgpack.decode(data, type=_PackedRollout)
    arrays: dict[str, Any] = {name: _unpacked(packed, name).copy() for name, packed in found.arrays.items()}
    return Rollout(instance=found.instance, policy=found.policy, policy_version=found.policy_version, **arrays)
