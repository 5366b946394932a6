"""The process that decodes large request bodies, so that this one's GIL is free; run by `http.decoding`."""

from __future__ import annotations

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
    check_size,
    decode,
    demo_of,
    pack_rollout,
    rollout_of,
)

MAX_MEMORY_BYTES = 3 << 30


def decoded(kind: BodyKind, body: bytes, content_type: str) -> tuple[Message, bytes]:
    """One body as (what it says, its arrays or its payload as bytes); raises RequestError."""
    check_size(body, content_type)
    if kind in ("rollout", "demo"):
        if kind == "rollout":
            head, rollout = rollout_of(decode(PushRollout, body, content_type))
        else:
            head, rollout = demo_of(decode(PushDemo, body, content_type))
        return head, pack_rollout(rollout)
    if kind == "event":
        event = decode(PostEvent, body, content_type)
        try:
            payload = msgspec.json.encode(event.payload)
        except (TypeError, ValueError, OverflowError) as error:
            raise RequestError(400, f"payload: not JSON: {error}") from error
        return EventBody(event_type=event.event_type, instance_id=event.instance_id, message=event.message), payload
    return Registered(body=decode(Register, body, content_type)), b""


if __name__ == "__main__":
    limit_process(max_memory_bytes=MAX_MEMORY_BYTES)
    serve_calls(Decode, lambda message, body: decoded(message.kind, body, message.content_type))
