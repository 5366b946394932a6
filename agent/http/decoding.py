"""Bodies of requests: read under limits, decoded here when they are small and in a child process when they are not."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

from aiohttp import web

from agent.concurrency.child import Child
from agent.concurrency.frames import Message
from agent.core.errors import RequestError
from agent.http.decode_child import decoded
from agent.http.messages import BodyKind, Decode

SMALL_BYTES: Final = 256 << 10
BODY_BYTES: Final = 1 << 20
ROLLOUT_BYTES: Final = 32 << 20
BODY_DEADLINE_S: Final = 30.0
DECODE_DEADLINE_S: Final = 120.0
A = TypeVar("A", bound=Message)


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

    async def decode(self, kind: BodyKind, answer: type[A], body: bytes, content_type: str) -> tuple[A, bytes]:
        """What a body says, as `answer`, and its arrays or payload as bytes; raises RequestError or ChildGone."""
        if len(body) > SMALL_BYTES:
            message = Decode(kind=kind, content_type=content_type)
            return await self.child.call(message, answer, body, timeout_s=DECODE_DEADLINE_S)
        said, payload = decoded(kind, body, content_type)
        assert isinstance(said, answer)
        return said, payload

    def close(self) -> None:
        """End the child."""
        self.child.close()
