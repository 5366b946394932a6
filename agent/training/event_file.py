"""Scalars in TensorBoard's event files, without TensorBoard.

A file is a row of records: length (u64), masked CRC-32C of it, data, masked CRC-32C of the data; the data are
`Event` messages of TensorFlow's event.proto. Owns one file; the caller owns the clock.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_POLYNOMIAL: Final = 0x82F63B78


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


_TABLE: Final = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated by 15 bits and offset, as the format stores it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def scalar_event(wall_s: float, step: int, scalars: Mapping[str, float]) -> bytes:
    """One `Event` with a summary of scalars."""
    values = b"".join(
        _field(1, _field(1, name.encode()) + b"\x15" + struct.pack("<f", value)) for name, value in scalars.items()
    )
    return b"\x09" + struct.pack("<d", wall_s) + b"\x10" + _varint(step) + _field(5, values)


class EventFile:
    """Appends scalars to an event file of its own in a folder."""

    def __init__(self, folder: Path, wall_s: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{int(wall_s * 1000)}"
        self._file = self.path.open("ab")
        self._record(b"\x09" + struct.pack("<d", wall_s) + _field(3, b"brain.Event:2"))

    def _record(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        crcs = struct.pack("<I", masked_crc(length)), struct.pack("<I", masked_crc(data))
        self._file.write(length + crcs[0] + data + crcs[1])

    def add(self, wall_s: float, step: int, scalars: Mapping[str, float]) -> None:
        """Write scalars of one step; they are on disk when this returns to a reader of the file."""
        self._record(scalar_event(wall_s, step, scalars))
        self._file.flush()

    def close(self) -> None:
        """End the file."""
        self._file.close()
