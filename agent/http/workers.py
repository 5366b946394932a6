"""Routes of the learner: workers register, fetch weights, push rollouts and demonstrations; events in and out.

Answers are JSON, or msgpack where the request asks for it. Owns no socket; the server is `http.server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from agent.concurrency.frames import Message
from agent.core.errors import ChildGone, RequestError
from agent.core.part import Route
from agent.http.decoding import BODY_BYTES, Decoder, Held, read_body
from agent.http.events import KEEP, EventLog, Gap, Written
from agent.http.guard import HEADERS
from agent.http.messages import BodyKind, EventBody, Registered
from agent.learner.bodies import MSGPACK, ROLLOUT_BYTES, Arrays
from agent.learner.client import Learning
from agent.learner.remote.inbox import Inbox

MAX_STREAMS: Final = 8
HEARTBEAT_S: Final = 15.0
WRITE_DEADLINE_S: Final = 10.0
PIECE_BYTES: Final = 256 << 10
RETRY_S: Final = "5"
MAX_REASON: Final = 1000
A = TypeVar("A", bound=Message)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Find = Callable[[str, int], Awaitable[tuple[int, bytes] | None]]
"""Version and file of a policy's weights that are newer than a version; None where there are none."""


def answer(request: web.Request, values: Any, status: int = 200) -> web.Response:
    """Values in the format that the request accepts."""
    if MSGPACK in request.headers.get("Accept", ""):
        return web.Response(body=msgspec.msgpack.encode(values), status=status, content_type=MSGPACK)
    return web.Response(body=msgspec.json.encode(values), status=status, content_type="application/json")


def _refusing(handler: Handler) -> Handler:
    """Turn what our own errors mean into HTTP's answers."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RequestError as error:
            response = answer(request, {"ok": False, "error": str(error)[:MAX_REASON]}, error.status)
            if error.status == 503:
                response.headers["Retry-After"] = RETRY_S
            return response
        except ChildGone as error:
            response = answer(request, {"ok": False, "error": str(error)[:MAX_REASON]}, 503)
            response.headers["Retry-After"] = RETRY_S
            return response

    return guarded


def number_of(request: web.Request, name: str, default: int) -> int:
    """A whole number of a request's query; raises RequestError(400)."""
    text = request.query.get(name, str(default))
    try:
        return int(text[:20])
    except ValueError as error:
        raise RequestError(400, f"{name}={text[:40]!r}: a whole number is needed") from error


@contextlib.asynccontextmanager
async def _decoded(
    request: web.Request, decoder: Decoder, kind: BodyKind, kind_of_answer: type[A], max_bytes: int
) -> AsyncIterator[tuple[A, bytes]]:
    """What the body says, and its arrays; their bytes count as held until the request is served."""
    with decoder.memory.request() as held:
        said, payload = await _read(request, decoder, kind, kind_of_answer, max_bytes, held)
        held.hold(len(payload))
        yield said, payload


async def _read(
    request: web.Request, decoder: Decoder, kind: BodyKind, kind_of_answer: type[A], max_bytes: int, held: Held
) -> tuple[A, bytes]:
    body = await read_body(request, max_bytes, held)
    return await decoder.decode(kind, kind_of_answer, body, request.content_type)


async def _sent(request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
    """A large answer, sent as fast as it is read; a reader that takes no byte for long is let go."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": content_type, "Content-Length": str(len(body))})
    if request.method == "HEAD":
        return response
    await response.prepare(request)
    for begun in range(0, len(body), PIECE_BYTES):
        try:
            async with asyncio.timeout(WRITE_DEADLINE_S):
                await response.write(body[begun : begun + PIECE_BYTES])
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            break
    return response


class _Workers:
    """The handlers for workers, and what they work with."""

    def __init__(self, learning: Learning, decoder: Decoder, inbox: Inbox | None) -> None:
        self._learning = learning
        self._decoder = decoder
        self._inbox = inbox

    async def register_worker(self, request: web.Request) -> web.StreamResponse:
        async with _decoded(request, self._decoder, "register", Registered, BODY_BYTES) as (registered, _):
            return answer(request, await self._learning.register(registered.body))

    async def push_rollout(self, request: web.Request) -> web.StreamResponse:
        async with _decoded(request, self._decoder, "rollout", Arrays, ROLLOUT_BYTES) as (head, payload):
            if not head.rollout_id:
                return answer(request, await self._learning.push(head, payload))
            if self._inbox is None:
                raise RequestError(501, "rollout_id: this session journals none; `python -m agent learner` does")
            return answer(request, await self._inbox.take(head, payload))

    async def push_demo(self, request: web.Request) -> web.StreamResponse:
        async with _decoded(request, self._decoder, "demo", Arrays, ROLLOUT_BYTES) as (head, payload):
            return answer(request, await self._learning.demo(head, payload))

    async def get_weights(self, request: web.Request) -> web.StreamResponse:
        return await self._newer(request, self._learning.weights)

    async def get_cpqe_weights(self, request: web.Request) -> web.StreamResponse:
        return await self._newer(request, self._learning.motor_weights)

    async def _newer(self, request: web.Request, find: Find) -> web.StreamResponse:
        """Weights that are newer than the version that is named, or 204."""
        name = request.query.get("policy_name", "")
        found = await find(name, number_of(request, "since_version", -1))
        if found is None:
            return web.Response(status=204)
        version, data = found
        packs = MSGPACK in request.headers.get("Accept", "")

        def encoded() -> bytes:
            told = {"policy_name": name, "version": version, "sha256": hashlib.sha256(data).hexdigest()}
            if packs:
                return msgspec.msgpack.encode({**told, "weights": data})
            return msgspec.json.encode({**told, "weights_b64": data})

        with self._decoder.memory.request() as held:
            held.hold(2 * len(data))
            body = await asyncio.get_running_loop().run_in_executor(None, encoded)
            return await _sent(request, body, MSGPACK if packs else "application/json")


class _Events:
    """The handlers for events, and what they work with."""

    def __init__(self, decoder: Decoder, events: EventLog) -> None:
        self._decoder = decoder
        self._events = events

    async def post_event(self, request: web.Request) -> web.StreamResponse:
        async with _decoded(request, self._decoder, "event", EventBody, BODY_BYTES) as (head, payload):
            return answer(request, {"ok": True, "event_id": self._add(head, payload)})

    def _add(self, head: EventBody, payload: bytes) -> int:
        """Log the event of a body; its number."""
        if not 0 < len(head.event_type) <= 64 or len(head.message) > 4096 or len(head.instance_id) > 128:
            raise RequestError(400, "event_type has 1 to 64 characters, message up to 4096, instance_id up to 128")
        return self._events.add_raw(head.event_type, head.message, payload, head.instance_id).event_id

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        limit = max(0, min(number_of(request, "limit", 100), KEEP))
        return web.Response(body=self._events.newest_json(limit), content_type="application/json")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        return await _stream(request, self._events)


async def _nothing_learns(request: web.Request) -> web.StreamResponse:
    raise RequestError(503, "nothing learns here: it was started with --no-learn or --learner")


def routes_of(*table: tuple[str, str, Handler]) -> list[Route]:
    """Routes by method and path; what our own errors mean becomes HTTP's answers."""
    return [Route(method, path, _refusing(handler)) for method, path, handler in table]


def worker_routes(learning: Learning, decoder: Decoder, inbox: Inbox | None = None) -> list[Route]:
    """The routes of workers. inbox: journals rollouts with ids, None where that is not done."""
    api = _Workers(learning, decoder, inbox)
    return routes_of(
        ("POST", "/register_worker", api.register_worker), ("POST", "/push_rollout", api.push_rollout),
        ("POST", "/push_demo", api.push_demo), ("GET", "/get_weights", api.get_weights),
        ("GET", "/get_cpqe_weights", api.get_cpqe_weights),
    )  # fmt: skip


def routes_without_learner() -> list[Route]:
    """The routes of workers where nothing learns: each says so."""
    return routes_of(
        ("POST", "/register_worker", _nothing_learns), ("POST", "/push_rollout", _nothing_learns),
        ("POST", "/push_demo", _nothing_learns), ("GET", "/get_weights", _nothing_learns),
        ("GET", "/get_cpqe_weights", _nothing_learns),
    )  # fmt: skip


def event_routes(decoder: Decoder, events: EventLog) -> list[Route]:
    """The routes of events."""
    api = _Events(decoder, events)
    return routes_of(
        ("GET", "/events", api.get_events), ("POST", "/events", api.post_event), ("GET", "/events/stream", api.stream),
    )  # fmt: skip


async def _stream(request: web.Request, events: EventLog) -> web.StreamResponse:
    """Server-sent events without end; a reader that takes too long is told what it missed, then let go."""
    if events.readers >= MAX_STREAMS:
        raise RequestError(503, f"{MAX_STREAMS} readers follow already")
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    if request.method == "HEAD":
        return response
    with events.follow(after=_last_event_id(request)) as reader:
        await response.prepare(request)
        await response.write(b": events follow\n\n")
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    item = await reader.next()
            except TimeoutError:
                text = b": still here\n\n"
            else:
                text = _sse(item)
            try:
                async with asyncio.timeout(WRITE_DEADLINE_S):
                    await response.write(text)
            except (TimeoutError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()
                return response


def _last_event_id(request: web.Request) -> int | None:
    """The number of the event that a reader who comes again saw last; None for one who begins, or says none."""
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _sse(item: Written | Gap) -> bytes:
    if isinstance(item, Gap):
        return b"event: gap\ndata: " + msgspec.json.encode(item) + b"\n\n"
    kind = item.event.event_type.encode("ascii", "replace").replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (item.event.event_id, kind, item.json)
