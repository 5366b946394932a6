"""What a hosted Gymnasium environment observes and does, as bytes on BonkLink.

Trailer `ENV1` of a state, after BLX2: u32 magic, u32 payload size, u16 height, u16 width, u16 channels (all 0: no
picture), height · width · channels bytes, u32 n, n×f32. Trailer `ACE1` of an action, after ACX1: u32 magic, u32 payload
size, u16 n, n×f32 axes, u16 m, m×u32 choices. A reader of a longer payload reads what it knows.
"""

from __future__ import annotations

import math
import struct
from typing import Final

import numpy as np

from agent.core.errors import ProtocolError
from agent.core.types import EnvAction, EnvObservation, Shown

ENV1_MAGIC: Final = 0x31564E45
ACE1_MAGIC: Final = 0x31454341
MAX_OBSERVATION_BYTES: Final = 250_000
"""More does not fit into a state beside the rest."""
MAX_ACTION_PARTS: Final = 200
"""Axes and choices of an action, which is 1023 bytes at most."""
_HEAD = struct.Struct("<II")
_PICTURE = struct.Struct("<3H")
_U32 = struct.Struct("<I")
_U16 = struct.Struct("<H")
_ENV1_TAG, _ACE1_TAG = (magic.to_bytes(4, "little") for magic in (ENV1_MAGIC, ACE1_MAGIC))


def observation_bytes(shape: tuple[int, ...], numbers: int) -> int:
    """Bytes of a picture of this shape, () for none, and of so many numbers."""
    return (int(np.prod(shape)) if shape else 0) + 4 * numbers


def too_large(shown: Shown) -> str:
    """Why the link cannot carry what an environment shows and takes; empty where it can."""
    parts = shown.axes + len(shown.branches)
    if parts > MAX_ACTION_PARTS:
        return f"its actions have {parts} parts, and the link carries {MAX_ACTION_PARTS}"
    size = observation_bytes(shown.shape, shown.numbers)
    if size > MAX_OBSERVATION_BYTES:
        return f"its observations have {size} bytes, and the link carries {MAX_OBSERVATION_BYTES}"
    return ""


def encode_observation(seen: EnvObservation) -> bytes:
    """The trailer of what is observed."""
    picture = b"" if seen.picture is None else np.ascontiguousarray(seen.picture).tobytes()
    numbers = np.ascontiguousarray(seen.numbers, "<f4").tobytes()
    shape = _PICTURE.pack(*(seen.shape or (0, 0, 0)))
    size = len(shape) + len(picture) + _U32.size + len(numbers)
    return b"".join((_HEAD.pack(ENV1_MAGIC, size), shape, picture, _U32.pack(len(seen.numbers)), numbers))


def read_observation(data: bytes, at: int) -> tuple[EnvObservation | None, int]:
    """What is observed, and the offset behind it; (None, at) where another thing stands there."""
    if not data.startswith(_ENV1_TAG, at):
        return None, at
    start = at + _HEAD.size
    size = _U32.unpack_from(data, at + 4)[0] if start <= len(data) else 0
    stop = start + size
    if size < _PICTURE.size + _U32.size or stop > len(data):
        raise ProtocolError("truncated_trailer", f"ENV1: payload of {size}, {len(data) - start} bytes left")
    shape = _PICTURE.unpack_from(data, start)
    start += _PICTURE.size
    pixels = math.prod(shape)
    if start + pixels + _U32.size > stop:
        raise ProtocolError("truncated_trailer", f"ENV1: a picture of {pixels} bytes, {stop - start} left")
    picture = np.frombuffer(data, np.uint8, pixels, start).reshape(shape) if pixels else None
    start += pixels
    (count,) = _U32.unpack_from(data, start)
    start += _U32.size
    if start + 4 * count > stop:
        raise ProtocolError("truncated_trailer", f"ENV1: {count} numbers, {stop - start} bytes left")
    numbers = np.frombuffer(data[start : start + 4 * count], "<f4")
    if not np.isfinite(numbers).all():
        raise ProtocolError("not_finite", "in ENV1")
    return EnvObservation(picture, numbers), stop


def encode_env_action(action: EnvAction) -> bytes:
    """The trailer of what is done."""
    axes, choices = action.axes, action.choices
    payload = struct.pack(f"<H{len(axes)}fH{len(choices)}I", len(axes), *axes, len(choices), *choices)
    return _HEAD.pack(ACE1_MAGIC, len(payload)) + payload


def starts_env_action(body: bytes, at: int) -> bool:
    """True where such a trailer stands at `at`."""
    return body.startswith(_ACE1_TAG, at)


def read_env_action(body: bytes, at: int) -> EnvAction | None:
    """What is done, at `at` where the trailer stands; None where its bytes are none, or hold no finite number."""
    start = at + _HEAD.size
    if start > len(body):
        return None
    payload = body[start : start + _U32.unpack_from(body, at + 4)[0]]
    try:
        (axes,) = _U16.unpack_from(payload)
        (choices,) = _U16.unpack_from(payload, 2 + 4 * axes)
        numbers = struct.unpack_from(f"<{axes}f", payload, 2)
        indices = struct.unpack_from(f"<{choices}I", payload, 4 + 4 * axes)
    except struct.error:
        return None
    return EnvAction(numbers, indices) if all(math.isfinite(number) for number in numbers) else None
