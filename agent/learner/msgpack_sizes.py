"""How many values a msgpack body holds, told from the lengths that it announces, before anything is made of it.

A byte of msgpack may become a hundred bytes of memory: an empty list, a small number in a list. Owns nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec

from agent.core.errors import RequestError

MAX_FREE_BYTES: Final = 1 << 20
_NOTHING: Final = msgspec.Raw(b"\xc0")


def check_values(kind: type[msgspec.Struct], body: bytes, max_values: int, max_items: int) -> None:
    """Refuse a body whose lists hold more than `max_values` values, or one of them more than `max_items`.

    What is no list is refused above `MAX_FREE_BYTES`, unless it is an array as bytes. Raises RequestError(413) and
    msgspec's errors.
    """
    values = 0
    for name, raw in _parts(kind, body):
        n = _items(raw)
        if n is None:
            _check_other(name, raw)
            continue
        values += n
        if n <= max_items and len(memoryview(raw)) > 9 * n + 5:
            values += sum(_items(row) or 0 for row in msgspec.msgpack.decode(raw, type=list[msgspec.Raw]))
        if n > max_items or values > max_values:
            raise RequestError(413, f"{name}: more than {max_values} numbers, or {max_items} rows; send packed arrays")


def _check_other(name: str, raw: msgspec.Raw) -> None:
    """Refuse what is large and no array as bytes."""
    n_bytes = len(memoryview(raw))
    if n_bytes <= MAX_FREE_BYTES:
        return
    packed = msgspec.msgpack.decode(raw, type=_AsBytes)
    if n_bytes - len(memoryview(packed.data)) > MAX_FREE_BYTES:
        raise RequestError(413, f"{name}: {n_bytes} bytes beside its data; at most {MAX_FREE_BYTES} are taken")


class _AsBytes(msgspec.Struct, frozen=True):
    """An array as bytes, its data not looked at."""

    data: msgspec.Raw = _NOTHING


@cache
def _raw_kind(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The same fields, none of them looked at."""
    fields: list[Any] = [(f.encode_name, msgspec.Raw, _NOTHING) for f in msgspec.structs.fields(kind)]
    return msgspec.defstruct(f"Raw{kind.__name__}", fields)


def _parts(kind: type[msgspec.Struct], body: bytes) -> list[tuple[str, msgspec.Raw]]:
    found = msgspec.msgpack.decode(body, type=_raw_kind(kind))
    return [(name, getattr(found, name)) for name in found.__struct_fields__]


def _items(raw: msgspec.Raw) -> int | None:
    """The length that a list announces, None for what is none (msgpack's specification, array format)."""
    data = memoryview(raw)
    first = data[0]
    if 0x90 <= first <= 0x9F:
        return int(first & 0x0F)
    if first in (0xDC, 0xDD):
        return int.from_bytes(data[1 : 3 if first == 0xDC else 5], "big")
    return None
