"""A second parser of one packet, slow and plain, to compare the fast one with."""

from __future__ import annotations

import math
from typing import Any


class Refused(Exception):
    """The bytes are no packet."""


class Reader:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, n: int) -> bytes:
        if n < 0 or self.at + n > len(self.data):
            raise Refused("short")
        self.at += n
        return self.data[self.at - n : self.at]

    def unsigned(self, n: int) -> int:
        return sum(byte << (8 * i) for i, byte in enumerate(self.take(n)))

    def signed(self) -> int:
        value = self.unsigned(4)
        return value - (1 << 32) if value >= 1 << 31 else value

    def real(self) -> float:
        bits = self.unsigned(4)
        sign = -1.0 if bits >> 31 else 1.0
        exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
        if exponent == 255:
            raise Refused("not finite")
        value = fraction * 2.0**-149 if exponent == 0 else (1 + fraction * 2.0**-23) * 2.0 ** (exponent - 127)
        return sign * value

    def reals(self, n: int) -> list[float]:
        return [self.real() for _ in range(n)]

    def string(self) -> str:
        size, shift = 0, 0
        while True:
            byte = self.unsigned(1)
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                if shift and not byte:
                    raise Refused("needless byte")
                break
            shift += 7
            if shift > 28:
                raise Refused("long length")
        if size > 1024:
            raise Refused("long string")
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("utf8") from error

    def sees(self, magic: bytes) -> bool:
        return self.data[self.at : self.at + 4] == magic


def parse_state(data: bytes) -> dict[str, Any]:
    """The state as plain values; raises Refused."""
    r = Reader(data)
    out: dict[str, Any] = {"head": r.reals(9), "flags": [r.unsigned(1) != 0, r.unsigned(1) != 0]}
    n = r.signed()
    if not 0 <= n <= 16_000:
        raise Refused("enemies")
    out["enemies"] = [r.reals(4) for _ in range(n)]
    out["menu"] = r.string()
    options = r.signed()
    if not 0 <= options <= 64:
        raise Refused("options")
    out["options"] = [r.string() for _ in range(options)]
    if r.sees(b"HINP"):
        r.take(4)
        version = r.signed()
        if version < 1:
            raise Refused("version")
        out["human"] = [version, r.reals(4), [r.unsigned(1) != 0 for _ in range(4)], r.reals(2)]
    if r.sees(b"BLX1"):
        r.take(4)
        size = r.unsigned(4)
        body = Reader(r.take(size))
        out["run"] = [body.unsigned(4), body.unsigned(8), *[body.unsigned(2) for _ in range(4)], body.unsigned(1)]
        body.unsigned(1)
        out["run"] += [body.unsigned(2), body.real(), body.unsigned(4), body.unsigned(4), body.real(), body.real()]
        out["run"] += [body.unsigned(8), body.real(), body.unsigned(8) if size >= 64 else 0]
    if r.sees(b"BLX2"):
        r.take(4)
        body = Reader(r.take(r.unsigned(4)))
        camera = body.reals(2)
        kinds = body.unsigned(2)
        if kinds != n:
            raise Refused("kinds")
        out["scene"] = [camera, list(body.take(kinds))]
        out["scene"].append([[body.unsigned(1), *body.reals(3)] for _ in range(body.unsigned(2))])
    out["unknown"] = r.take(len(data) - r.at)
    return out


def parse_packet(data: bytes) -> tuple[dict[str, Any], bytes]:
    """One whole packet; raises Refused for anything else."""
    r = Reader(data)
    size = r.signed()
    if not 1 <= size <= 262_144:
        raise Refused("state size")
    state = r.take(size)
    frame = r.signed()
    if not 0 <= frame <= 4 << 20:
        raise Refused("frame size")
    picture = r.take(frame)
    if r.at != len(data):
        raise Refused("more")
    return parse_state(state), picture


def is_close(a: float, b: float) -> bool:
    """Equal float32 values."""
    return a == b or math.isclose(a, b, rel_tol=1e-12)
