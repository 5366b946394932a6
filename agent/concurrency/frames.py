"""Messages between this process and a child of its own: a msgpack head and a payload of bytes, over a pipe.

Frame: u32 length of the head, u64 length of the payload, head, payload; little-endian. The head holds the number of the
call and one tagged message, which must be exactly what the other end expects: an unknown name or tag is refused. The
messages of a child stand in one module that both ends import. Calls block.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from agent.core.errors import ChildGone

_LENGTHS: Final = struct.Struct("<IQ")
MAX_HEAD_BYTES: Final = 64 << 20
MAX_PAYLOAD_BYTES: Final = 2 << 30
UNASKED: Final = 0
"""The number of a call that nobody made."""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag=True):
    """The base of all messages; the tag is the name of the class."""


class Alive(Message, frozen=True):
    """A sign of life of a child that answers calls."""


class Failed(Message, frozen=True):
    """The answer to a call that cannot be served; `status` is HTTP's number for it."""

    error: str
    status: int = 500


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`call`: number of the call that this asks or answers, `UNASKED` where nobody did."""

    call: int
    message: msgspec.Raw


class Frame(NamedTuple):
    """One message as it arrived; `packed` is not decoded yet."""

    call: int
    packed: msgspec.Raw
    payload: bytes


_HEAD: Final = msgspec.msgpack.Decoder(_Head)


def write_frame(file: BinaryIO, call: int, message: Message, payload: bytes = b"") -> None:
    """Write one message; raises OSError where the other side is gone."""
    packed = msgspec.msgpack.encode(_Head(call, msgspec.Raw(msgspec.msgpack.encode(message))))
    file.write(_LENGTHS.pack(len(packed), len(payload)) + packed)
    if payload:
        file.write(payload)
    file.flush()


def read_frame(file: BinaryIO) -> Frame | None:
    """The next message, None at the end of the stream; raises ChildGone where it ends within a message."""
    lengths = file.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise ChildGone("the pipe ended within a message")
    head_bytes, payload_bytes = _LENGTHS.unpack(lengths)
    if head_bytes > MAX_HEAD_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise ChildGone(f"a message of {head_bytes} + {payload_bytes} bytes: the pipe is out of step")
    packed, payload = file.read(head_bytes), file.read(payload_bytes) if payload_bytes else b""
    if len(packed) < head_bytes or len(payload) < payload_bytes:
        raise ChildGone("the pipe ended within a message")
    head = _HEAD.decode(packed)
    return Frame(head.call, head.message, payload)


@cache
def decoder_of(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    """Decodes one message of `kind`, a class or a union of classes; raises msgspec.ValidationError."""
    return msgspec.msgpack.Decoder(kind)
