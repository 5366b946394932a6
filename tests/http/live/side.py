"""The live API on a server of its own, with feeds that nothing plays, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import numpy as np

from agent.core.clock import SystemClock
from agent.core.latency import Latency
from agent.core.types import Frame
from agent.http.events import EventLog
from agent.http.guard import may_write
from agent.http.live.part import LiveApi
from agent.http.live.pictures import LivePictures
from agent.http.live.state import GameView, LiveState
from agent.http.live.stream import Kind, Stream
from agent.http.part import HttpServer
from agent.http.snapshots import Snapshots
from agent.http.steering.access import Access
from agent.session.sense import Feed
from tests.http.api_side import TOKEN, Source
from tests.link.game_side import state

HEAD = struct.Struct("<BQ")


class LiveSide:
    """A server with the live API, two games, and what they show."""

    def __init__(self, games: int = 2) -> None:
        self.clock, latency = SystemClock(), Latency()
        self.feeds = [Feed(i, f"game {i}", self.clock, latency, lambda: None) for i in range(games)]
        self.events, self.access = EventLog(self.clock), Access(self.clock)
        self.frames: dict[int, Frame] = {}
        self.views = 0
        states = LiveState(Snapshots(Source(), dict, self.clock), [self._view], self.events, self.clock)
        self.stream = Stream(states, LivePictures(self.frames.get), self.feeds, self.clock)
        self.api = LiveApi(
            states, self.stream, tuple(feed.name for feed in self.feeds), "1.2.3",
            lambda request: may_write(request, TOKEN, self.access),
            lambda game, limit: [{"game": game, "limit": limit}],
        )  # fmt: skip
        for feed in self.feeds:
            feed.latest_state = state(1)
        self.http: aiohttp.ClientSession
        self.address = ""

    def _view(self) -> GameView:
        self.views += 1
        return None, None, {}

    def picture(self, game: int = 0, px: int = 64) -> None:
        """Show another picture of noise."""
        pixels = np.random.default_rng(self.clock.wall_utc_ns()).integers(0, 255, (px, px, 3)).astype(np.uint8)
        self.frames[game] = Frame(pixels, self.clock.now_s(), self.clock.now_s())


@contextlib.asynccontextmanager
async def live_side(games: int = 2) -> AsyncIterator[LiveSide]:
    side, port = LiveSide(games), asyncio.get_running_loop().create_future()
    server = HttpServer(
        Source(), 0, TOKEN, side.clock, [*side.api.routes(), side.access.route()], dict, port.set_result, side.access
    )
    tasks = [asyncio.ensure_future(server.run()), asyncio.ensure_future(side.api.run())]
    side.address = f"http://127.0.0.1:{await port}"
    try:
        async with aiohttp.ClientSession(side.address) as side.http:
            yield side
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def receive(socket: aiohttp.ClientWebSocketResponse) -> tuple[Kind, int, Any]:
    """The next message: kind, time, and its values or its bytes."""
    data = await asyncio.wait_for(socket.receive_bytes(), 60)
    kind, time_ns = HEAD.unpack_from(data)
    body = data[HEAD.size :]
    return Kind(kind), time_ns, body if kind == Kind.PICTURE else msgspec.msgpack.decode(body)
