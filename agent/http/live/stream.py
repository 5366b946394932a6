"""The stream of pictures and states over a WebSocket, and the takeover that comes back on it.

A message is: kind u8, time ns u64 (this machine's monotonic clock), payload; little-endian. Each client has one slot of
each kind, where the newest wins, and a task that empties them. One that does not read for `SEND_S` is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from agent.core.clock import Clock
from agent.core.errors import RequestError
from agent.http.live.pictures import LivePictures
from agent.http.live.state import LiveState
from agent.http.session_api import PostTakeover, action_of
from agent.http.snapshots import Turn, next_turn
from agent.session.sense import Feed

SEND_S: Final = 2.0
LOOK_S: Final = 0.02
"""How often a new picture is looked for while somebody watches."""
DEFAULT_FPS, MAX_FPS = 10.0, 30.0
MAX_CLIENTS: Final = 24
MAX_ASKED_BYTES: Final = 4096
SEND_BUFFER_BYTES: Final = 64 << 10
"""What the kernel and this process hold for a client that does not read: a few pictures, so that none grows old."""
HOLD_S: Final = 0.2
"""What is pressed in the page is held this long without a successor."""
CLOSE_S: Final = 0.2
BAD_REQUEST, TOO_SLOW = 4400, 4408
"""The codes with which a client is told why it was dropped."""
_HEAD: Final = struct.Struct("<BQ")


class Kind(IntEnum):
    """What a message holds: a JPEG with the time of its capture; a state, the hello or the clock as MessagePack."""

    PICTURE = 1
    STATE = 2
    HELLO = 3
    CLOCK = 4


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends, as JSON text.

    ack: it has shown so many messages; a client that says so once is sent no more than one ahead of what it has shown.
    clock: any number, which comes back with the time here. fps: pictures and states a second. game: the game to watch.
    pictures: false for states alone.
    takeover: as POST /api/v1/takeover, held for `HOLD_S`; needs the cookie or the token.
    """

    ack: int | None = None
    clock: float | None = None
    fps: float | None = None
    game: int | None = None
    pictures: bool | None = None
    takeover: PostTakeover | None = None


def message(kind: Kind, time_ns: int, payload: bytes) -> bytes:
    """The bytes of one message."""
    return _HEAD.pack(kind, max(0, time_ns)) + payload


class Client:
    """One reader: its slots, what it asked for, and how many messages it has been sent and has shown.

    due_s: when the next picture and the next state may be sent.
    """

    def __init__(self) -> None:
        self.slots: dict[Kind, bytes] = {}
        self.seen: dict[Kind, int] = {}
        self.due_s = dict.fromkeys((Kind.PICTURE, Kind.STATE), float("-inf"))
        self.fps, self.game, self.pictures = DEFAULT_FPS, 0, True
        self.sent, self.shown, self.acks = 0, 0, False
        self.may_write = False
        self.pressed: set[int] = set()
        self.woken = asyncio.Event()

    def offer(self, kind: Kind, number: int, made: bytes, now_s: float) -> None:
        """Put something into its slot, if it is new and due."""
        if self.seen.get(kind) == number or not self.is_due(kind, now_s):
            return
        self.seen[kind], self.slots[kind] = number, made
        self.due_s[kind] = max(self.due_s[kind] + 1 / self.fps, now_s - LOOK_S + 1 / self.fps)
        self.woken.set()

    def is_due(self, kind: Kind, now_s: float) -> bool:
        """True where it may be sent something of a kind."""
        return now_s >= self.due_s[kind] - LOOK_S / 2 and (self.pictures or kind is not Kind.PICTURE)

    def tell(self, kind: Kind, made: bytes) -> None:
        """Put an answer into its slot."""
        self.slots[kind] = made
        self.woken.set()

    @property
    def is_behind(self) -> bool:
        """True while it has not shown what it was sent."""
        return self.acks and self.sent - self.shown > 1


class Stream:
    """All clients. `dropped` counts those that were dropped by the reason; turn: awaited before the loop is held."""

    def __init__(
        self, states: LiveState, pictures: LivePictures, feeds: Sequence[Feed], clock: Clock, turn: Turn = next_turn
    ) -> None:
        self.clients: set[Client] = set()
        self.dropped: dict[str, int] = {}
        self._states, self._pictures, self._feeds, self._clock = states, pictures, feeds, clock
        self._turn = turn
        self._some = asyncio.Event()

    def status(self) -> dict[str, Any]:
        """How many watch, and who was dropped."""
        return {"watchers": len(self.clients), "dropped": dict(self.dropped)}

    async def run(self) -> None:
        """Put what is new into the clients' slots, until cancelled."""
        while True:
            if not self.clients:
                self._some.clear()
                await self._some.wait()
            await self._turn()
            now_s = self._clock.now_s()
            for game in {client.game for client in self.clients if client.is_due(Kind.PICTURE, now_s)}:
                picture = await self._pictures.newest(game)
                if picture is not None:
                    await self._turn()
                    watching = [client for client in self.clients if client.game == game]
                    self._offer(watching, Kind.PICTURE, picture.captured_ns, picture.captured_ns, picture.jpeg)
            if any(client.is_due(Kind.STATE, now_s) for client in self.clients):
                state = await self._states.newest()
                await self._turn()
                self._offer(self.clients, Kind.STATE, state.number, state.time_ns, state.packed)
            await self._clock.sleep_until(now_s + LOOK_S)

    def _offer(self, clients: Iterable[Client], kind: Kind, number: int, time_ns: int, payload: bytes) -> None:
        """Put the newest of a kind into the slots of those clients for which it is new and due."""
        fresh = [client for client in clients if client.seen.get(kind) != number]
        made, now_s = message(kind, time_ns, payload) if fresh else b"", self._clock.now_s()
        for client in fresh:
            client.offer(kind, number, made, now_s)

    async def serve(
        self, request: web.Request, asked: Asked, *, may_write: bool, hello: dict[str, Any]
    ) -> web.StreamResponse:
        """One client, until it leaves or is dropped; raises RequestError where there are too many, or no such game."""
        if len(self.clients) >= MAX_CLIENTS:
            raise RequestError(503, f"{MAX_CLIENTS} clients watch already")
        client = Client()
        client.may_write = may_write
        self._take(client, asked)
        socket_ = web.WebSocketResponse(max_msg_size=MAX_ASKED_BYTES, compress=False, timeout=CLOSE_S)
        if not socket_.can_prepare(request):
            raise RequestError(426, "ask for a WebSocket")
        try:
            await socket_.prepare(request)
        except ConnectionError:  # it left while it was being answered
            return web.Response()
        transport = request.transport
        _bound_buffers(transport)
        client.tell(Kind.HELLO, message(Kind.HELLO, round(1e9 * self._clock.now_s()), msgspec.msgpack.encode(hello)))
        self.clients.add(client)
        self._some.set()
        writing = asyncio.ensure_future(self._write(socket_, client))
        reading = asyncio.ensure_future(self._read(socket_, client))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
            dropped = next((task.result() for task in (writing, reading) if task.done()), None)
            if dropped is not None:
                await self._drop(socket_, *dropped)
        finally:
            self.clients.discard(client)
            self._let_go(client)
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)
            if transport is not None:  # what is on its way may still arrive, but not for ever
                transport.close()
                asyncio.get_running_loop().call_later(SEND_S, transport.abort)
        return socket_

    async def _drop(self, socket_: web.WebSocketResponse, code: int, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CLOSE_S):
                await socket_.close(code=code, message=reason.encode()[:120])

    async def _write(self, socket_: web.WebSocketResponse, client: Client) -> tuple[int, str] | None:
        """Send what is in the slots; why the client must go, None where it left."""
        while True:
            await client.woken.wait()
            client.woken.clear()
            try:
                async with asyncio.timeout(SEND_S):
                    while client.is_behind:
                        await client.woken.wait()
                        client.woken.clear()
                    for kind in sorted(client.slots, reverse=True):  # answers first, pictures last
                        made = client.slots.pop(kind)
                        client.sent += kind in (Kind.PICTURE, Kind.STATE)
                        await socket_.send_bytes(made)
            except TimeoutError:
                return TOO_SLOW, f"it did not read for {SEND_S:.0f} s"
            except ConnectionError:
                return None

    async def _read(self, socket_: web.WebSocketResponse, client: Client) -> tuple[int, str] | None:
        """Take what a client sends; why it must go, None where it left."""
        async for got in socket_:
            if got.type is not WSMsgType.TEXT:
                return BAD_REQUEST, "send JSON text"
            try:
                self._take(client, msgspec.json.decode(got.data, type=Asked))
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                return BAD_REQUEST, f"not what is asked here: {error}"
            except RequestError as error:
                return BAD_REQUEST, str(error)
        return None

    def _take(self, client: Client, asked: Asked) -> None:
        if asked.ack is not None:
            client.acks, client.shown = True, asked.ack
            client.woken.set()
        if asked.clock is not None:
            now_ns = round(1e9 * self._clock.now_s())
            client.tell(Kind.CLOCK, message(Kind.CLOCK, now_ns, msgspec.msgpack.encode(asked.clock)))
        if asked.fps is not None:
            client.fps = min(MAX_FPS, max(0.1, asked.fps)) if asked.fps == asked.fps else DEFAULT_FPS
        if asked.game is not None:
            client.game = self._checked(asked.game)
        if asked.pictures is not None:
            client.pictures = asked.pictures
        if asked.takeover is not None:
            self._take_over(client, asked.takeover)

    def _checked(self, game: int) -> int:
        if not 0 <= game < len(self._feeds):
            raise RequestError(400, f"game: 0 to {len(self._feeds) - 1}, not {game}")
        return game

    def _take_over(self, client: Client, body: PostTakeover) -> None:
        if not client.may_write:
            raise RequestError(401, "open the page by the link that play shows, or send the token, to take over")
        feed = self._feeds[self._checked(body.game)]
        if body.release:
            client.pressed.discard(body.game)
            feed.human.let_go()
        else:
            client.pressed.add(body.game)
            feed.human.press(action_of(body, feed), self._clock.now_s(), HOLD_S)

    def _let_go(self, client: Client) -> None:
        """Who leaves holds no key."""
        for game in client.pressed:
            self._feeds[game].human.let_go()


def _bound_buffers(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "set_write_buffer_limits"):
        transport.set_write_buffer_limits(SEND_BUFFER_BYTES)  # type: ignore[union-attr]
    held = transport.get_extra_info("socket") if transport is not None else None
    if held is not None:
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
