"""The BonkLink codec, sans-I/O, both directions.

Layout: little-endian; a packet is i32 state size, state, i32 frame size, frame; an action is i32 size and its
bytes. Strings are UTF-8 behind a 7-bit variable-length byte count. Knows nothing of sockets, clocks or pictures.
A decoder that has raised refuses further bytes: after a framing error nothing in the stream can be trusted.
"""

from __future__ import annotations

import math
import struct
from typing import Final

import msgspec
import numpy as np

from agent.core.errors import ProtocolError
from agent.core.types import Action, FloatArray, GameState, HumanInput, Packet, RunInfo, SceneInfo
from agent.link import env_wire
from agent.link.action_wire import encode_trailers, read_trailers

HINP_MAGIC: Final = 0x504E4948
BLX1_MAGIC: Final = 0x31584C42
BLX2_MAGIC: Final = 0x32584C42
MAX_ACTION_BYTES: Final = 1023
_MAX_SKIPPED_ACTION_BYTES: Final = 1 << 20

_HINP_TAG, _BLX1_TAG, _BLX2_TAG = (magic.to_bytes(4, "little") for magic in (HINP_MAGIC, BLX1_MAGIC, BLX2_MAGIC))

_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_U32U32 = struct.Struct("<II")
_HEAD = struct.Struct("<9fBBi")
_HINP = struct.Struct("<Ii4f4B2f")
_BLX1 = struct.Struct("<IQ4HBBHfIIffQf")
_U64 = struct.Struct("<Q")
_BLX2_HEAD = struct.Struct("<ffH")
_U16 = struct.Struct("<H")
_ACTION = struct.Struct("<4f4B")
_CLICK = struct.Struct("<2i")
_OBJECT = np.dtype([("kind", "u1"), ("position", "<f4", 3)])
_NO_OBJECTS: FloatArray = np.zeros((0, 3), np.float32)
_NO_OBJECTS.flags.writeable = False
_NO_KINDS = np.zeros(0, np.uint8)
_NO_KINDS.flags.writeable = False
_FLAG_TOP_DOWN, _FLAG_ENDED, _FLAG_WON, _FLAG_TRUNCATED = 1, 2, 4, 8
_KNOWN_FLAGS = _FLAG_TOP_DOWN | _FLAG_ENDED | _FLAG_WON | _FLAG_TRUNCATED
_NO_ENEMIES: FloatArray = np.zeros((0, 4), np.float32)
_NO_ENEMIES.flags.writeable = False


class Limits(msgspec.Struct, frozen=True):
    """What a reader accepts; bytes and counts."""

    max_state_bytes: int = 262_144
    max_frame_bytes: int = 4 << 20
    max_enemies: int = 16_000
    max_options: int = 64
    max_string_bytes: int = 1024


DEFAULT_LIMITS: Final = Limits()


def _read_string(data: bytes, at: int, limits: Limits) -> tuple[str, int]:
    """The string at `at` and the offset behind it."""
    end = len(data)
    if at >= end:
        raise ProtocolError("truncated_state", "a string's length is missing")
    size = data[at]
    at += 1
    if size & 0x80:
        size, at = _read_long_size(data, at, size & 0x7F)
    if size > limits.max_string_bytes:
        raise ProtocolError("string_size", f"{size} bytes, limit {limits.max_string_bytes}")
    stop = at + size
    if stop > end:
        raise ProtocolError("truncated_state", f"a string of {size} bytes, {end - at} left")
    try:
        return data[at:stop].decode(), stop
    except UnicodeDecodeError as error:
        raise ProtocolError("utf8", str(error)) from error


def _read_long_size(data: bytes, at: int, size: int) -> tuple[int, int]:
    for shift in (7, 14, 21, 28):
        if at >= len(data):
            raise ProtocolError("truncated_state", "a string's length is cut short")
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if byte == 0:
                raise ProtocolError("string_size", "a length with needless bytes")
            return size, at
    raise ProtocolError("string_size", "a length of more than five bytes")


def decode_state(data: bytes, limits: Limits = DEFAULT_LIMITS) -> GameState:
    """Decode one state; raises ProtocolError where the bytes break the format."""
    if len(data) < _HEAD.size:
        raise ProtocolError("truncated_state", f"{len(data)} bytes, the head alone has {_HEAD.size}")
    x, y, z, vx, vy, vz, health, maximum, time_s, playing, paused, n = _HEAD.unpack_from(data)
    # Finite float32 values cannot overflow a float64 sum; NaN and infinities survive it.
    if not math.isfinite(x + y + z + vx + vy + vz + health + maximum + time_s):
        raise ProtocolError("not_finite", "in the head")
    if not 0 <= n <= limits.max_enemies:
        raise ProtocolError("enemy_count", f"{n}, limit {limits.max_enemies}")
    at = _HEAD.size
    enemies = _NO_ENEMIES
    if n:
        stop = at + 16 * n
        if stop > len(data):
            raise ProtocolError("truncated_state", f"{n} enemies, {len(data) - at} bytes left")
        flat = np.frombuffer(data[at:stop], "<f4")
        _check_finite(flat, "in the enemies")
        enemies = flat.reshape(n, 4)
        at = stop
    menu, at = _read_string(data, at, limits)
    if at + 4 > len(data):
        raise ProtocolError("truncated_state", "the number of options is missing")
    (count,) = _I32.unpack_from(data, at)
    at += 4
    if not 0 <= count <= limits.max_options:
        raise ProtocolError("option_count", f"{count}, limit {limits.max_options}")
    options: tuple[str, ...] = ()
    if count:
        texts = []
        for _ in range(count):
            text, at = _read_string(data, at, limits)
            texts.append(text)
        options = tuple(texts)
    human = run = scene = env = None
    if len(data) - at >= 4:
        human, at = _read_human(data, at)
        run, at = _read_run(data, at)
        scene, at = _read_scene(data, at, n)
        env, at = env_wire.read_observation(data, at)
    return GameState(
        (x, y, z),
        (vx, vy, vz),
        health,
        maximum,
        time_s,
        playing != 0,
        paused != 0,
        enemies,
        menu,
        options,
        human,
        run,
        scene,
        data[at:],
        env,
    )


def _check_finite(flat: FloatArray, where: str) -> None:
    if np.count_nonzero(np.isfinite(flat)) != len(flat):
        raise ProtocolError("not_finite", where)


def _read_human(data: bytes, at: int) -> tuple[HumanInput | None, int]:
    if not data.startswith(_HINP_TAG, at):
        return None, at
    if at + _HINP.size > len(data):
        raise ProtocolError("truncated_trailer", f"HINP: {len(data) - at} of {_HINP.size} bytes")
    _, version, mx, my, lx, ly, fire, ability, interact, click, cx, cy = _HINP.unpack_from(data, at)
    if version < 1:
        raise ProtocolError("trailer_version", f"HINP version {version}")
    if not math.isfinite(mx + my + lx + ly + cx + cy):
        raise ProtocolError("not_finite", "in HINP")
    human = HumanInput(version, (mx, my), (lx, ly), fire != 0, ability != 0, interact != 0, click != 0, (cx, cy))
    return human, at + _HINP.size


def _payload(data: bytes, at: int, tag: bytes, name: str, minimum: int) -> tuple[int, int]:
    """Start and end of a sized trailer's payload, or (0, 0) where another thing stands there."""
    if not data.startswith(tag, at):
        return 0, 0
    if at + 8 > len(data):
        raise ProtocolError("truncated_trailer", f"{name}: its size is cut short")
    (size,) = _U32.unpack_from(data, at + 4)
    start = at + 8
    if size < minimum or start + size > len(data):
        raise ProtocolError(
            "truncated_trailer", f"{name}: payload of {size}, {len(data) - start} left, {minimum} needed"
        )
    return start, start + size


def _read_run(data: bytes, at: int) -> tuple[RunInfo | None, int]:
    start, stop = _payload(data, at, _BLX1_TAG, "BLX1", _BLX1.size)
    if not stop:
        return None, at
    (seq, time_us, cw, ch, sw, sh, flags, reserved, level, xp, kills, gold, dealt, taken, seed, reward) = (
        _BLX1.unpack_from(data, start)
    )
    if not math.isfinite(xp + dealt + taken + reward):
        raise ProtocolError("not_finite", "in BLX1")
    run = RunInfo(
        seq,
        time_us,
        (cw, ch),
        (sw, sh),
        flags & _FLAG_TOP_DOWN != 0,
        flags & _FLAG_ENDED != 0,
        flags & _FLAG_WON != 0,
        level,
        xp,
        kills,
        gold,
        dealt,
        taken,
        seed,
        reward,
        flags & ~_KNOWN_FLAGS | reserved << 8,
        flags & _FLAG_TRUNCATED != 0,
        _U64.unpack_from(data, start + _BLX1.size)[0] if stop - start >= _BLX1.size + _U64.size else 0,
    )
    return run, stop


def _read_scene(data: bytes, at: int, enemies: int) -> tuple[SceneInfo | None, int]:
    start, stop = _payload(data, at, _BLX2_TAG, "BLX2", _BLX2_HEAD.size + 2)
    if not stop:
        return None, at
    yaw, pitch, n = _BLX2_HEAD.unpack_from(data, start)
    if not math.isfinite(yaw + pitch):
        raise ProtocolError("not_finite", "in BLX2's camera")
    if n != enemies:
        raise ProtocolError("trailer_count", f"BLX2 has {n} kinds for {enemies} enemies")
    at = start + _BLX2_HEAD.size
    if at + n + 2 > stop:
        raise ProtocolError("truncated_trailer", f"BLX2: {n} kinds, {stop - at} bytes left")
    kinds = np.frombuffer(data, np.uint8, n, at)
    at += n
    (m,) = _U16.unpack_from(data, at)
    at += 2
    if at + 13 * m > stop:
        raise ProtocolError("truncated_trailer", f"BLX2: {m} objects, {stop - at} bytes left")
    if not m:
        return SceneInfo(yaw, pitch, kinds, _NO_KINDS, _NO_OBJECTS), stop
    objects = np.frombuffer(data, np.uint8, 13 * m, at).reshape(m, 13)
    flat = np.frombuffer(objects[:, 1:].tobytes(), "<f4")
    _check_finite(flat, "in BLX2's objects")
    return SceneInfo(yaw, pitch, kinds, objects[:, 0].copy(), flat.reshape(m, 3)), stop


def _string(text: str) -> bytes:
    body = text.encode()
    size, head = len(body), bytearray()
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + body


def encode_state(state: GameState) -> bytes:
    """Encode one state; the inverse of `decode_state`."""
    enemies = np.ascontiguousarray(state.enemies, "<f4")
    parts = [
        _HEAD.pack(
            *state.position,
            *state.velocity,
            state.health,
            state.max_health,
            state.game_time_s,
            state.is_playing,
            state.is_paused,
            len(enemies),
        ),
        enemies.tobytes(),
        _string(state.current_menu),
        _I32.pack(len(state.level_up_options)),
        *map(_string, state.level_up_options),
    ]
    if state.human is not None:
        parts.append(_encode_human(state.human))
    if state.run is not None:
        parts.append(_encode_run(state.run))
    if state.scene is not None:
        parts.append(_encode_scene(state.scene))
    if state.env is not None:
        parts.append(env_wire.encode_observation(state.env))
    parts.append(state.unknown)
    return b"".join(parts)


def _encode_human(human: HumanInput) -> bytes:
    return _HINP.pack(
        HINP_MAGIC, human.version, *human.move, *human.look, human.fire, human.ability, human.interact, human.ui_click,
        *human.click,
    )  # fmt: skip


def _encode_run(run: RunInfo) -> bytes:
    flags = run.flags_reserved & 0xFF & ~_KNOWN_FLAGS
    flags |= run.rows_top_down * _FLAG_TOP_DOWN | run.run_ended * _FLAG_ENDED | run.run_won * _FLAG_WON
    flags |= run.run_truncated * _FLAG_TRUNCATED
    payload = _BLX1.pack(
        run.sequence & 0xFFFFFFFF,
        run.capture_time_us,
        *run.capture_size_px,
        *run.screen_size_px,
        flags,
        run.flags_reserved >> 8,
        run.level,
        run.xp_fraction,
        run.kills,
        run.gold,
        run.damage_dealt,
        run.damage_taken,
        run.run_seed,
        run.reward,
    )
    if run.frame_time_us:
        payload += _U64.pack(run.frame_time_us)
    return _U32U32.pack(BLX1_MAGIC, len(payload)) + payload


def _encode_scene(scene: SceneInfo) -> bytes:
    objects = np.empty(len(scene.object_kinds), _OBJECT)
    objects["kind"] = scene.object_kinds
    objects["position"] = scene.object_positions
    payload = b"".join(
        (
            _BLX2_HEAD.pack(scene.camera_yaw_rad, scene.camera_pitch_rad, len(scene.enemy_kinds)),
            scene.enemy_kinds.tobytes(),
            _U16.pack(len(objects)),
            objects.tobytes(),
        )
    )
    return _U32U32.pack(BLX2_MAGIC, len(payload)) + payload


def encode_packet(state: GameState, frame: bytes = b"") -> bytes:
    """Encode one whole packet; an empty frame means none this tick."""
    body = encode_state(state)
    return b"".join((_I32.pack(len(body)), body, _I32.pack(len(frame)), frame))


class PacketDecoder:
    """Cuts a byte stream into packets.

    `feed` returns the packets that became whole; it raises ProtocolError on the first byte that cannot be right
    and refuses every later call.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._buffer = bytearray()
        self._need = 4
        self._failed: ProtocolError | None = None
        self._newest = b""

    @property
    def mid_packet(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Packet]:
        """Take the next bytes of the stream, cut anywhere."""
        if self._failed is not None:
            raise ProtocolError("after_error", f"this stream ended with: {self._failed}")
        self._buffer += data
        if len(self._buffer) < self._need:
            return []
        try:
            return self._cut()
        except ProtocolError as error:
            self._failed = error
            self._buffer.clear()
            raise

    def rehearse(self) -> None:
        """Decode the newest state once more, without an effect."""
        if self._newest:
            decode_state(self._newest, self.limits)

    def _cut(self) -> list[Packet]:
        buffer, packets, start = self._buffer, [], 0
        while True:
            available = len(buffer) - start
            if available < 4:
                self._need = 4
                break
            (state_size,) = _I32.unpack_from(buffer, start)
            if not 1 <= state_size <= self.limits.max_state_bytes:
                raise ProtocolError("state_size", f"{state_size}, limit {self.limits.max_state_bytes}")
            if available < 8 + state_size:
                self._need = 8 + state_size
                break
            (frame_size,) = _I32.unpack_from(buffer, start + 4 + state_size)
            if not 0 <= frame_size <= self.limits.max_frame_bytes:
                raise ProtocolError("frame_size", f"{frame_size}, limit {self.limits.max_frame_bytes}")
            whole = 8 + state_size + frame_size
            if available < whole:
                self._need = whole
                break
            middle = start + 4 + state_size
            self._newest = bytes(buffer[start + 4 : middle])
            state = decode_state(self._newest, self.limits)
            packets.append(Packet(state, bytes(buffer[middle + 4 : start + whole]), self._newest))
            start += whole
        if start:
            del buffer[:start]
        return packets


def encode_action(action: Action) -> bytes:
    """Encode one action, its size included; axes are clamped to −1 … 1."""
    click = action.click
    body = _ACTION.pack(
        *(min(1.0, max(-1.0, v)) for v in (*action.move, *action.look)),
        action.fire,
        action.ability,
        action.interact,
        click is not None,
    )
    if click is not None:
        body += _CLICK.pack(*click)
    body += encode_trailers(action)
    return _I32.pack(len(body)) + body


class ActionDecoder:
    """Cuts a client's byte stream into actions, for the game's side.

    An action that is too large is skipped whole and counted in `oversized`; one that is too short for what it
    announces, or carries a value that is not finite, is skipped and counted in `malformed`. A size below 1, or
    beyond all reason, raises ProtocolError.
    """

    def __init__(self) -> None:
        self.oversized = 0
        self.malformed = 0
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[Action]:
        """Take the next bytes of the stream, cut anywhere."""
        buffer = self._buffer
        buffer += data
        actions: list[Action] = []
        while True:
            if self._skip:
                skipped = min(self._skip, len(buffer))
                del buffer[:skipped]
                self._skip -= skipped
            if len(buffer) < 4:
                return actions
            (size,) = _I32.unpack_from(buffer)
            if not 1 <= size <= _MAX_SKIPPED_ACTION_BYTES:
                raise ProtocolError("action_size", str(size))
            if size > MAX_ACTION_BYTES:
                self.oversized += 1
                del buffer[:4]
                self._skip = size
                continue
            if len(buffer) < 4 + size:
                return actions
            action = decode_action(bytes(buffer[4 : 4 + size]))
            del buffer[: 4 + size]
            if action is None:
                self.malformed += 1
            else:
                actions.append(action)


def decode_action(body: bytes) -> Action | None:
    """The action in these bytes (without their size), or None where they are not one."""
    if len(body) < _ACTION.size:
        return None
    mx, my, lx, ly, fire, ability, interact, clicks = _ACTION.unpack_from(body)
    if not math.isfinite(mx + my + lx + ly):
        return None
    at = _ACTION.size
    click = None
    if clicks:
        if len(body) < at + _CLICK.size:
            return None
        click = _CLICK.unpack_from(body, at)
        at += _CLICK.size
    read = read_trailers(body, at)
    if read is None:
        return None
    answers, env, desk = read
    return Action((mx, my), (lx, ly), fire != 0, ability != 0, interact != 0, click, answers, env, desk)
