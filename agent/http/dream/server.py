"""Serves one world to browsers of this machine: they send keys, and get pictures at the world's own pace.

The world moves only while somebody looks. All who look play the same one. Owns the socket; the world is a callable that
runs on a lane of its own.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import struct
from collections.abc import Callable
from importlib import resources
from typing import Any, Final, Protocol

import msgspec
from aiohttp import WSMsgType, web

from agent.concurrency.lane import Lane
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.http.guard import guard

FILES: Final = {
    "/": ("dream/page/dream.html", "text/html"), "/dream.js": ("dream/page/dream.js", "text/javascript"),
    "/dream.css": ("dream/page/dream.css", "text/css"), "/icon.svg": ("page/icon.svg", "image/svg+xml"),
}  # fmt: skip
"""By path: the file in this package, and its type."""
MAX_MESSAGE_BYTES: Final = 4096
MAX_KEYS: Final = 32
IDLE_S: Final = 0.05
_log = logging.getLogger("agent.http")


class Told(msgspec.Struct, frozen=True):
    """What a browser sends: the keys that are down, a click 0 … 1 from the top left, or that it begins again."""

    keys: list[str] = []
    click: tuple[float, float] | None = None
    restart: bool = False


def packed(about: dict[str, Any], pixels: bytes) -> bytes:
    """A picture as it goes to browsers: a length, so many bytes of JSON, and the pixels."""
    head = msgspec.json.encode(about)
    return struct.pack("<I", len(head)) + head + pixels


class World(Protocol):
    """What is played."""

    def described(self) -> dict[str, Any]:
        """`about`, a line for people, and `keys`, what each key does."""
        ...

    def tick(self, keys: frozenset[str], click: tuple[float, float] | None) -> tuple[dict[str, Any], bytes]:
        """The next picture: what is told of it, and its u8 bytes, those of the recorded one behind them."""
        ...

    def restart(self) -> None:
        """Begin behind other pictures."""
        ...


class DreamServer:
    """The state between browsers and the world."""

    def __init__(self, world: World, dt_s: float, clock: Clock, lane: Lane) -> None:
        self._world, self._dt_s, self._clock, self._lane = world, dt_s, clock, lane
        self._sockets: set[web.WebSocketResponse] = set()
        self._down: frozenset[str] = frozenset()
        self._tapped: frozenset[str] = frozenset()
        self._click: tuple[float, float] | None = None
        self._restart = False

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """One browser, until it leaves."""
        socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, heartbeat=20.0)
        await socket.prepare(request)
        await socket.send_str(msgspec.json.encode(self._world.described()).decode())
        self._sockets.add(socket)
        try:
            async for message in socket:
                if message.type != WSMsgType.TEXT or not self._take(message.data):
                    break
        finally:
            self._sockets.discard(socket)
            if not self._sockets:
                self._down = frozenset()
        return socket

    def _take(self, text: str) -> bool:
        """Keep what a browser says; False for what is no message."""
        try:
            told = msgspec.json.decode(text, type=Told)
        except (msgspec.DecodeError, msgspec.ValidationError):
            return False
        if len(told.keys) > MAX_KEYS:
            return False
        self._down = frozenset(told.keys)
        self._tapped |= self._down
        if told.click is not None and all(0.0 <= each <= 1.0 for each in told.click):
            self._click = told.click
        self._restart |= told.restart
        return True

    async def play(self) -> None:
        """Move the world while somebody looks; ends by cancellation."""
        while True:
            began_s = self._clock.now_s()
            if not self._sockets:
                await asyncio.sleep(IDLE_S)
                continue
            if self._restart:
                self._restart = False
                await self._lane.run(self._world.restart)
            keys, click = self._down | self._tapped, self._click
            self._tapped, self._click = frozenset(), None
            made = await self._lane.run(lambda keys=keys, click=click: self._world.tick(keys, click))  # type: ignore[misc]
            data = packed(*made)
            for socket in list(self._sockets):
                try:
                    await socket.send_bytes(data)
                except (ConnectionError, RuntimeError):
                    self._sockets.discard(socket)
            await asyncio.sleep(max(0.0, began_s + self._dt_s - self._clock.now_s()))


def _file(name: str, kind: str) -> Callable[[web.Request], Any]:
    body = resources.files("agent").joinpath("http", *name.split("/")).read_bytes()

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return handler


async def serve_dream(
    world: World, *, dt_s: float, port: int, clock: Clock, ready: Callable[[int], None] = lambda port: None
) -> None:
    """Serve until cancelled, on this machine alone; `ready` is told the port. Raises SettingsError for a taken one."""
    bound = port
    app = web.Application(middlewares=[guard(lambda: bound, secrets.token_hex(16))])
    with Lane("dream") as lane:
        server = DreamServer(world, dt_s, clock, lane)
        for path, (name, kind) in FILES.items():
            app.router.add_get(path, await asyncio.to_thread(_file, name, kind))
        app.router.add_get("/dream", server.socket)
        runner = web.AppRunner(app, access_log=None, logger=_log, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            try:
                await site.start()
            except OSError as error:
                raise SettingsError(f"port {port}: {error.strerror or error}; choose another with --port") from error
            bound = runner.addresses[0][1]
            ready(bound)
            await server.play()
        finally:
            await runner.cleanup()
