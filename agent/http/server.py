"""The one HTTP server: page, status, metrics, newest frame; parts of the session add their routes.

Loopback only, but for a learner that is told to serve other machines. Owns the socket; what it shows comes from a
`StatusSource`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Middleware
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from agent.core.clock import Clock
from agent.core.errors import ImageError, SettingsError
from agent.core.part import Route
from agent.http.assets import asset_routes
from agent.http.guard import guard
from agent.http.openapi import document
from agent.http.snapshots import Losses, SharedFrame, Shown, Snapshots, StatusSource
from agent.http.steering.access import Access

BODY_LIMIT_BYTES = 1 << 20
HEADER_DEADLINE_S = 5.0
MAX_CONNECTIONS = 64
LOOPBACK = "127.0.0.1"


class _OwnFailures(logging.Filter):
    """Lets through what failed here; a request that is none has its answer, and would fill the log of a person."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


_log = logging.getLogger("agent.http")
_log.addFilter(_OwnFailures())


class _Connections:
    """Every open connection: it begins without a whole request, is busy with one, or idle after one.

    Those that do not finish their headers in time are closed. Of more than `MAX_CONNECTIONS` the one that has been
    idle longest goes, else the one that has waited longest for a request, and only then the newest.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        self._busy: set[asyncio.BaseTransport] = set()
        self._idle: dict[asyncio.BaseTransport, None] = {}

    def opened(self, transport: asyncio.Transport) -> None:
        """Start the header deadline of a connection; when there are too many, one of them goes."""
        if len(self._waiting) + len(self._busy) + len(self._idle) >= MAX_CONNECTIONS:
            leaves = next(iter(self._idle), None) or next(iter(self._waiting), transport)
            leaves.abort()  # type: ignore[attr-defined]
            self.closed(leaves)
            if leaves is transport:
                return
        self._waiting[transport] = asyncio.get_running_loop().call_later(HEADER_DEADLINE_S, transport.abort)

    def asked(self, transport: asyncio.BaseTransport | None) -> None:
        """A whole request arrived on the connection."""
        if transport is not None:
            self.closed(transport)
            self._busy.add(transport)

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """The request has its answer; there may be another one."""
        if transport is not None and transport in self._busy:
            self.closed(transport)
            if not transport.is_closing():
                self._idle[transport] = None

    def closed(self, transport: asyncio.BaseTransport | None) -> None:
        """Forget a connection."""
        if transport is not None:
            timer = self._waiting.pop(transport, None)
            if timer is not None:
                timer.cancel()
            self._busy.discard(transport)
            self._idle.pop(transport, None)


class _Watched(asyncio.Protocol):
    """Passes everything on to the HTTP protocol, and tells `_Connections` of its beginning and end."""

    def __init__(self, inner: asyncio.Protocol, connections: _Connections) -> None:
        self._inner = inner
        self._connections = connections
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._inner.connection_made(transport)
        self._connections.opened(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.closed(self._transport)
        self._inner.connection_lost(exc)


def routes(
    source: StatusSource, clock: Clock, losses: Losses = dict, shown: Shown | None = None, *, has_page: bool = True
) -> list[Route]:
    """The routes that are always there; `shown` is what others show as well. has_page: games are shown."""
    shown = shown or Shown(Snapshots(source, losses, clock), SharedFrame(source, clock))
    snapshots, shared_frame = shown.snapshots, shown.frame

    async def status(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await snapshots.json(), content_type="application/json")

    described = msgspec.json.encode(document(version("metabonk-apex")))

    async def openapi(request: web.Request) -> web.StreamResponse:
        return web.Response(body=described, content_type="application/json")

    async def healthz(request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True})

    async def metrics(request: web.Request) -> web.StreamResponse:
        policy = request.query.get("policy_name")
        if policy is not None or "application/json" in request.headers.get("Accept", ""):
            found = losses()
            chosen = found if policy is None else {k: v for k, v in found.items() if k == policy}
            return web.Response(body=msgspec.json.encode(chosen), content_type="application/json")
        return web.Response(body=await snapshots.prometheus(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def frame(request: web.Request) -> web.StreamResponse:
        try:
            body = await shared_frame.jpeg()
        except ImageError as error:
            raise web.HTTPNotFound(reason="no frame that can be shown") from error
        if body is None:
            raise web.HTTPNotFound(reason="no frame yet")
        return web.Response(body=body, content_type="image/jpeg")

    told = [
        Route("GET", "/status", status),
        Route("GET", "/healthz", healthz),
        Route("GET", "/metrics", metrics),
    ]
    shows = [Route("GET", "/openapi.json", openapi), Route("GET", "/frame.jpg", frame)]
    return [*asset_routes(), *told, *shows] if has_page else told


def _in_time(connections: _Connections) -> Middleware:
    """Tells `connections` when a request has come and when it is answered."""

    @web.middleware
    async def in_time(request: web.Request, handler: Any) -> web.StreamResponse:
        transport = request.transport
        connections.asked(transport)
        try:
            response: web.StreamResponse = await handler(request)
        finally:
            connections.answered(transport)
        return response

    return in_time


async def serve(
    source: StatusSource,
    *,
    port: int,
    token: str,
    clock: Clock,
    extra_routes: Sequence[Route] = (),
    losses: Losses = dict,
    ready: Callable[[int], None] = lambda port: None,
    access: Access | None = None,
    shown: Shown | None = None,
    host: str = LOOPBACK,
    is_open: bool = False,
    has_page: bool = True,
) -> None:
    """Serve until cancelled; `ready` is told the port. Raises SettingsError where the port is taken.

    host: the address to listen at; is_open: other machines reach it, see `guard.refusal`.
    """
    if not token:
        raise SettingsError("the HTTP server needs a token; set METABONK_HTTP_TOKEN")
    bound = port
    connections = _Connections()

    app = web.Application(
        middlewares=[_in_time(connections), guard(lambda: bound, token, access, is_open=is_open)],
        client_max_size=BODY_LIMIT_BYTES,
    )
    find = partial(routes, source, clock, losses, shown, has_page=has_page)
    own = await asyncio.to_thread(find)  # the page is read from files
    for route in (*own, *extra_routes):
        add = app.router.add_get if route.method == "GET" else app.router.add_post  # the former answers HEAD too
        add(route.path, route.handler)
    runner = web.AppRunner(app, access_log=None, logger=_log, keepalive_timeout=15.0, shutdown_timeout=0.5)
    await runner.setup()
    try:
        make_protocol = runner.server
        assert make_protocol is not None
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _Watched(make_protocol(), connections), host, port)
        except OSError as error:
            raise SettingsError(
                f"{'' if host == LOOPBACK else f'{host}, '}port {port}: {error.strerror or error}; choose another with "
                f"{'--http-port' if has_page else '--port'}, 0 picks a free one"
            ) from error
        try:
            bound = server.sockets[0].getsockname()[1]
            ready(bound)
            await loop.create_future()
        finally:
            server.close()  # `async with` would wait, from Python 3.12 on, for connections that the runner closes
    finally:
        await runner.cleanup()
