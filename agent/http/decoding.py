"""Bodies of requests: read under limits, decoded here when they are small and in a child process when they are not."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from agent.concurrency.child import Child
from agent.concurrency.frames import Head
from agent.core.errors import RequestError
from agent.http.decode_child import decoded

SMALL_BYTES: Final = 256 << 10
BODY_BYTES: Final = 1 << 20
ROLLOUT_BYTES: Final = 32 << 20
BODY_DEADLINE_S: Final = 30.0


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """The body, if it comes in time and is no longer than `max_bytes`; raises RequestError(408 or 413)."""
    if request.content_length is not None and request.content_length > max_bytes:
        raise RequestError(413, f"{request.content_length} bytes; at most {max_bytes} are taken")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > max_bytes:
                    raise RequestError(413, f"more than {max_bytes} bytes")
    except TimeoutError as error:
        raise RequestError(408, f"the body did not come within {BODY_DEADLINE_S:.0f} s") from error
    return bytes(body)


class Decoder:
    """Decodes bodies; owns the child process, which the first large body starts."""

    def __init__(self) -> None:
        self.child = Child("decoder", "agent.http.decode_child")

    async def decode(self, kind: str, body: bytes, content_type: str) -> tuple[Head, bytes]:
        """What a body says, and its arrays or payload as bytes; raises RequestError or ChildGone."""
        if len(body) <= SMALL_BYTES:
            return decoded(kind, body, content_type)
        head, payload = await self.child.call({"kind": kind, "content_type": content_type}, body)
        return {k: v for k, v in head.items() if k != "call"}, payload

    def close(self) -> None:
        """End the child."""
        self.child.close()
