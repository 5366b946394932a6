"""What may follow an action's fixed part on BonkLink: the packet that it answers, desktop input, an environment's.

`ACX1`: u32 magic, u32 sequence. `ACX2`, any number of them: u32 magic, u32 payload size, u8 what (1 pointer: 2×i32,
capture pixels, origin bottom-left; 2 keys: u8 n, n×(u16 code, u8 down); 4 text: u16 bytes, UTF-8). `ACE1`: `env_wire`.
"""

from __future__ import annotations

import struct
from typing import Final

from agent.core.errors import ProtocolError
from agent.core.types import Action, DeskInput, EnvAction, Keys, Pointer, Typed
from agent.link import env_wire

ACX1_MAGIC: Final = 0x31584341
ACX2_MAGIC: Final = 0x32584341
MAX_DESK_BYTES: Final = 900
"""Of an action, which is 1023 bytes at most."""
_POINTER, _KEYS, _TEXT = 1, 2, 4
_U32 = struct.Struct("<I")
_HEAD = struct.Struct("<II")
_POINT = struct.Struct("<2i")
_KEY = struct.Struct("<HB")
_U16 = struct.Struct("<H")
_ACX1_TAG, _ACX2_TAG = (magic.to_bytes(4, "little") for magic in (ACX1_MAGIC, ACX2_MAGIC))


def encode_trailers(action: Action) -> bytes:
    """What follows the fixed part; raises ProtocolError where the desktop input does not fit."""
    body = b"" if action.answers is None else _HEAD.pack(ACX1_MAGIC, action.answers & 0xFFFFFFFF)
    if action.desk:
        desk = b"".join(_encode_desk(one) for one in action.desk)
        if len(desk) > MAX_DESK_BYTES:
            raise ProtocolError("desk_size", f"{len(desk)} bytes of desktop input, limit {MAX_DESK_BYTES}")
        body += desk
    return body if action.env is None else body + env_wire.encode_env_action(action.env)


def _encode_desk(one: DeskInput) -> bytes:
    match one:
        case Pointer(x_px, y_px):
            payload = bytes([_POINTER]) + _POINT.pack(x_px, y_px)
        case Keys(keys):
            payload = bytes([_KEYS, len(keys)]) + b"".join(_KEY.pack(code, down) for code, down in keys)
        case Typed(text):
            data = text.encode()
            payload = bytes([_TEXT]) + _U16.pack(len(data)) + data
    return _HEAD.pack(ACX2_MAGIC, len(payload)) + payload


def read_trailers(body: bytes, at: int) -> tuple[int | None, EnvAction | None, tuple[DeskInput, ...]] | None:
    """The sequence that is answered, an environment's action and desktop input; None where a known trailer is broken.

    Desktop input of an unknown kind is skipped, and what follows the known trailers is not read.
    """
    answers = None
    if body.startswith(_ACX1_TAG, at) and len(body) >= at + 8:
        answers = _U32.unpack_from(body, at + 4)[0]
        at += 8
    desk: list[DeskInput] = []
    while body.startswith(_ACX2_TAG, at):
        start = at + _HEAD.size
        size = _U32.unpack_from(body, at + 4)[0] if start <= len(body) else -1
        if not 1 <= size <= len(body) - start:
            return None
        try:
            one = _decode_desk(body[start : start + size])
        except (struct.error, UnicodeDecodeError):
            return None
        desk += [] if one is None else [one]
        at = start + size
    env = None
    if env_wire.starts_env_action(body, at):
        env = env_wire.read_env_action(body, at)
        if env is None:
            return None
    return answers, env, tuple(desk)


def _decode_desk(payload: bytes) -> DeskInput | None:
    """One input, None of an unknown kind; raises struct.error or UnicodeDecodeError where it is cut short."""
    what = payload[0]
    if what == _POINTER:
        return Pointer(*_POINT.unpack_from(payload, 1))
    if what == _KEYS:
        count = payload[1] if len(payload) > 1 else 0
        found = [_KEY.unpack_from(payload, 2 + i * _KEY.size) for i in range(count)]
        return Keys(tuple((code, down != 0) for code, down in found))
    if what == _TEXT:
        (size,) = _U16.unpack_from(payload, 1)
        data = payload[3 : 3 + size]
        if len(data) < size:
            raise struct.error(f"text of {size} bytes, {len(data)} there")
        return Typed(data.decode())
    return None
