"""Bodies of requests: read under limits, decoded here when they are small and in a child process when they are not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final, TypeVar

from aiohttp import ClientPayloadError, web
from aiohttp.http import HttpProcessingError

from agent.concurrency.child import Child
from agent.concurrency.frames import Message
from agent.core.errors import RequestError
from agent.http.decode_child import decoded
from agent.http.messages import BodyKind, Decode

SMALL_BYTES: Final = 32 << 10
"""What takes longer to decode than a few milliseconds is decoded elsewhere."""
BODY_BYTES: Final = 1 << 20
BODY_DEADLINE_S: Final = 30.0
DECODE_DEADLINE_S: Final = 120.0
HELD_BYTES: Final = 256 << 20
"""Bodies, arrays and answers of all requests under way."""
A = TypeVar("A", bound=Message)


class Held:
    """The bytes that one request holds."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.n_bytes = 0

    def hold(self, n_bytes: int) -> None:
        """Hold so many bytes instead of what was held before; raises RequestError(503) where they are too many."""
        more = n_bytes - self.n_bytes
        if more > 0 and self._memory.held_bytes + more > self._memory.max_bytes:
            raise RequestError(
                503,
                f"requests under way hold {self._memory.held_bytes >> 20} MiB, this would add {max(1, more >> 20)}; "
                f"at most {self._memory.max_bytes >> 20} MiB are held: try again later",
            )
        self._memory.held_bytes += more
        self.n_bytes = n_bytes


class Memory:
    """How many bytes the requests under way may hold, and do."""

    def __init__(self, max_bytes: int = HELD_BYTES) -> None:
        self.max_bytes, self.held_bytes = max_bytes, 0

    @contextlib.contextmanager
    def request(self) -> Iterator[Held]:
        """What one request holds, until it is answered."""
        held = Held(self)
        try:
            yield held
        finally:
            held.hold(0)


async def read_body(request: web.Request, max_bytes: int, held: Held) -> bytes:
    """The body, if it comes in time and is no longer than `max_bytes`; raises RequestError(400, 408, 413 or 503)."""
    announced = request.content_length or 0
    if announced > max_bytes:
        raise RequestError(413, f"{announced} bytes; at most {max_bytes} are taken")
    held.hold(announced)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > max_bytes:
                    raise RequestError(413, f"more than {max_bytes} bytes")
                if len(body) > held.n_bytes:
                    held.hold(len(body))
    except (web.RequestPayloadError, ClientPayloadError, HttpProcessingError) as error:
        raise RequestError(400, f"the body cannot be read: {type(error).__name__}") from error
    except TimeoutError as error:
        raise RequestError(408, f"the body did not come within {BODY_DEADLINE_S:.0f} s") from error
    return bytes(body)


class Decoder:
    """Decodes bodies; owns the child process, which the first large body starts, and counts the memory of requests."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
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
