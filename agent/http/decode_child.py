"""The process that decodes large request bodies, so that this one's GIL is free; run by `http.decoding`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from agent.concurrency.frames import Head, serve_calls
from agent.core.errors import RequestError
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


def decoded(kind: str, body: bytes, content_type: str) -> tuple[Head, bytes]:
    """One body as (what it says, its arrays or its payload as bytes); raises RequestError."""
    check_size(body, content_type)
    if kind in ("rollout", "demo"):
        if kind == "rollout":
            head, rollout = rollout_of(decode(PushRollout, body, content_type))
        else:
            head, rollout = demo_of(decode(PushDemo, body, content_type))
        return msgspec.to_builtins(head), pack_rollout(rollout)
    if kind == "event":
        event = decode(PostEvent, body, content_type)
        try:
            payload = msgspec.json.encode(event.payload)
        except (TypeError, ValueError, OverflowError) as error:
            raise RequestError(400, f"payload: not JSON: {error}") from error
        return {"event_type": event.event_type, "instance_id": event.instance_id, "message": event.message}, payload
    if kind == "register":
        register: dict[str, Any] = msgspec.to_builtins(decode(Register, body, content_type))
        return register, b""
    raise RequestError(400, f"there are no bodies of kind {kind}")


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


if __name__ == "__main__":
    _limit_memory()
    serve_calls(lambda head, payload: decoded(head["kind"], payload, head["content_type"]))
