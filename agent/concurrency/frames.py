"""Messages between this process and a child: a msgpack head and a payload of bytes, over a pipe.

Frame: u32 length of the head, u64 length of the payload, head, payload; little-endian. Calls block.
"""

from __future__ import annotations

import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec

from agent.concurrency.supervise import Failure, attempt
from agent.core.errors import AgentError, ChildGone, RequestError

_LENGTHS: Final = struct.Struct("<IQ")
MAX_HEAD_BYTES: Final = 64 << 20
MAX_PAYLOAD_BYTES: Final = 2 << 30
Head = dict[str, Any]
Handler = Callable[[Head, bytes], tuple[Head, bytes]]


def write_frame(file: BinaryIO, head: Head, payload: bytes) -> None:
    """Write one message; raises OSError where the other side is gone."""
    packed = msgspec.msgpack.encode(head)
    file.write(_LENGTHS.pack(len(packed), len(payload)) + packed)
    if payload:
        file.write(payload)
    file.flush()


def read_frame(file: BinaryIO) -> tuple[Head, bytes] | None:
    """The next message, None at the end of the stream; raises ChildGone where it ends within a message."""
    lengths = file.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise ChildGone("the pipe ended within a message")
    head_bytes, payload_bytes = _LENGTHS.unpack(lengths)
    if head_bytes > MAX_HEAD_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise ChildGone(f"a message of {head_bytes} + {payload_bytes} bytes: the pipe is out of step")
    head, payload = file.read(head_bytes), file.read(payload_bytes) if payload_bytes else b""
    if len(head) < head_bytes or len(payload) < payload_bytes:
        raise ChildGone("the pipe ended within a message")
    return msgspec.msgpack.decode(head, type=dict[str, Any]), payload


def serve_calls(
    handler: Handler,
    after: Callable[[], None] = lambda: None,
    arrived: Callable[[Head], None] = lambda head: None,
) -> None:
    """A child's main loop: answer each message with one, in order; end the process when the parent is gone.

    What the handler raises becomes the answer's `error`; with `status`, where the caller is at fault. `after` is called
    when an answer has been sent; what it raises is said, and the process goes on. `arrived` hears of each message as it
    comes, on a thread of its own, while the handler may be at work on one before; it must not raise.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    calls: queue.SimpleQueue[tuple[Head, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_read_calls, args=(os.fdopen(os.dup(0), "rb"), calls, arrived), daemon=True).start()
    while True:
        head, payload = calls.get()
        outcome = attempt(partial(handler, head, payload))
        if isinstance(outcome, Failure):
            answer, back = _failed(outcome), b""
        else:
            answer, back = outcome
        write_frame(out, answer | {"call": head["call"]}, back)
        done = attempt(after)
        if isinstance(done, Failure):
            print(f"after {head.get('do')}: {done.reason}", file=sys.stderr, flush=True)


def _failed(failure: Failure) -> Head:
    error = failure.error
    if isinstance(error, RequestError):
        return {"error": str(error), "status": error.status}
    if isinstance(error, MemoryError):
        return {"error": "the body needs more memory than is allowed", "status": 413}
    if isinstance(error, AgentError):
        return {"error": str(error)}
    return {"error": failure.reason}


def _read_calls(file: BinaryIO, calls: queue.SimpleQueue[tuple[Head, bytes]], arrived: Callable[[Head], None]) -> None:
    """Queue what the parent sends; its end ends this process, whatever it is doing."""
    while True:
        frame = attempt(lambda: read_frame(file))
        if frame is None or isinstance(frame, Failure):
            os._exit(0)
        arrived(frame[0])
        calls.put(frame)
