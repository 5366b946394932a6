"""The process that talks to a language model's server, so that no reply costs the session more than its bytes."""

from __future__ import annotations

import asyncio

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.planning.backends import answer, look
from agent.planning.messages import Ask, Look

MAX_MEMORY_BYTES = 2 << 30


def answered(message: Ask | Look, payload: bytes) -> tuple[Message, bytes]:
    """One question, answered."""
    return asyncio.run(answer(message) if isinstance(message, Ask) else look(message)), b""


if __name__ == "__main__":
    limit_process(max_memory_bytes=MAX_MEMORY_BYTES, low_priority=True)
    serve_calls(Ask | Look, answered)
