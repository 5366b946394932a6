"""The process that decodes large request bodies, so that this one's GIL is free; run by `http.decoding`."""

from __future__ import annotations

from typing import Any

import msgspec

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.core.errors import RequestError
from agent.http.messages import BodyKind, Decode, EventBody, Registered
from agent.learner.bodies import (
    PostEvent,
    PushDemo,
    PushRollout,
    Register,
    decode,
    demo_of,
    pack_rollout,
    rollout_of,
)
from agent.learner.tensor_bodies import SAFETENSORS, read_tensors

MAX_MEMORY_BYTES = 3 << 30


def _read(kind: type[Any], body: bytes, content_type: str) -> Any:
    return read_tensors(kind, body) if content_type == SAFETENSORS else decode(kind, body, content_type)


def decoded(kind: BodyKind, body: bytes, content_type: str) -> tuple[Message, bytes]:
    """One body as (what it says, its arrays or its payload as bytes); raises RequestError."""
    if kind in ("rollout", "demo"):
        if kind == "rollout":
            head, rollout = rollout_of(_read(PushRollout, body, content_type))
        else:
            head, rollout = demo_of(_read(PushDemo, body, content_type))
        return head, pack_rollout(rollout)
    if kind == "event":
        event = _read(PostEvent, body, content_type)
        try:
            payload = msgspec.json.encode(event.payload)
        except (TypeError, ValueError, OverflowError) as error:
            raise RequestError(400, f"payload: not JSON: {error}") from error
        return EventBody(event_type=event.event_type, instance_id=event.instance_id, message=event.message), payload
    return Registered(body=_read(Register, body, content_type)), b""


if __name__ == "__main__":
    limit_process(max_memory_bytes=MAX_MEMORY_BYTES)
    serve_calls(Decode, lambda message, body: decoded(message.kind, body, message.content_type))
