"""A session that plays the arena in this process, for the page's tests and pictures: no game has a process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.app import Session, build_session
from agent.control.motor import Motor, pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.policy import Policy
from agent.core.clock import TICK_HZ, SystemClock
from agent.core.types import NEUTRAL, Action, GameState
from agent.games.arena.game import ArenaGame
from agent.http.steering.access import Access
from agent.journal.keeping import Keep
from agent.link.endpoint import Endpoint
from agent.link.imaging import encode_jpeg
from agent.link.wire import ActionDecoder, encode_packet
from agent.planning.backend import LlmConfig
from agent.planning.goal import parse_goal
from agent.session.options import Planning, Recording, SessionOptions

TOKEN: Final = "t" * 43
HZ: Final = 30.0
PICTURES_HZ: Final = 10.0
RECORDING: Final = "20260101-000000-1"


class ArenaSide:
    """The arena on a socket of this loop, one client after another. change: what is made of each state that is sent.

    holds: what comes is not done. actions: what came, with the number of the packet that was sent last before it.
    sent_s: when each packet was sent, by its number. paused: nothing is sent.
    """

    def __init__(
        self, *, start: str = "run", seed: int = 3, hz: float = HZ, capture_px: tuple[int, int] = (640, 360),
        pictures_hz: float = PICTURES_HZ,
    ) -> None:  # fmt: skip
        self.game = ArenaGame(capture_px=capture_px)
        self.game.reset(seed, start=start)  # type: ignore[arg-type]
        self.change: Callable[[GameState], GameState] = lambda state: state
        self.paused = self.holds = False
        self.actions: list[tuple[int, Action]] = []
        self.sequence = 0
        self.sent_s: dict[int, float] = {}
        self.port = 0
        self._hz, self._pictures_hz = hz, pictures_hz
        self._action = NEUTRAL

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take clients until the end of the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reading = asyncio.ensure_future(self._read(reader))
        try:
            await self._send(writer, reading)
        except asyncio.CancelledError:
            pass  # the loop ends; Python 3.11's streams raise where a client's task is cancelled
        finally:
            reading.cancel()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = ActionDecoder()
        while data := await reader.read(65536):
            for action in decoder.feed(data):
                if isinstance(action, Action):
                    self._action = action
                    self.actions.append((self.sequence, action))

    async def _send(self, writer: asyncio.StreamWriter, reading: asyncio.Future[None]) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not reading.done():
            due_s = max(due_s + 1 / self._hz, loop.time())
            await asyncio.sleep(due_s - loop.time())
            if not self.paused:
                writer.write(self._packet(loop.time()))

    def _packet(self, now_s: float) -> bytes:
        """Play on until the next packet's time; its bytes."""
        for _ in range(max(1, round(TICK_HZ / self._hz))):
            self.game.tick(NEUTRAL if self.holds else self._action)
            self._action = msgspec.structs.replace(self._action, click=None)
        told = self.game.state()
        assert told.run is not None
        self.sequence += 1
        self.sent_s[self.sequence] = now_s
        pictured = self.sequence % max(1, round(self._hz / self._pictures_hz)) == 0
        now_us = round(now_s * 1e6)
        run = msgspec.structs.replace(
            told.run, sequence=self.sequence, capture_time_us=now_us, frame_time_us=now_us if pictured else 0
        )
        state = self.change(msgspec.structs.replace(told, run=run))
        return encode_packet(state, encode_jpeg(self.game.render()) if pictured else b"")


class Played(msgspec.Struct, eq=False):
    """A session that plays, its games, its address, and what gives links by which a browser may steer."""

    session: Session
    arenas: list[ArenaSide]
    access: Access
    address: str

    @property
    def arena(self) -> ArenaSide:
        """The first game."""
        return self.arenas[0]


def options_of(ports: Sequence[int], folder: Path, told: Callable[[int], None], **more: Any) -> SessionOptions:
    """A session that plays these ports, plans by itself and records into a folder."""
    values: dict[str, Any] = {
        "endpoints": tuple(Endpoint("127.0.0.1", port) for port in ports),
        "names": tuple(f"arena {i}" if len(ports) > 1 else "arena" for i in range(len(ports))),
        "http_port": 0, "http_token": TOKEN, "game": "arena", "watchdog": False, "on_http": told,
        "recordings_dir": folder,
        "planning": Planning(goal=parse_goal("Survive 20 minutes"), llm=LlmConfig(backend="builtin")),
        "recording": Recording(folder=folder / RECORDING, keep=Keep(), is_asked=True, recordings=folder),
    }  # fmt: skip
    return SessionOptions(**(values | more))


@contextlib.asynccontextmanager
async def playing(
    folder: Path, *, policy: Policy | None = None, arenas: Sequence[ArenaSide] | None = None, **more: Any
) -> AsyncIterator[Played]:
    """A session on this loop that plays the arena in real time, 30 packets a second."""
    clock, ports = SystemClock(), asyncio.Queue[int]()
    access, games = Access(clock), list(arenas or [ArenaSide()])
    async with contextlib.AsyncExitStack() as stack:
        for game in games:
            await stack.enter_async_context(game.listening())
        options = options_of([game.port for game in games], folder, ports.put_nowait, **more)

        def build() -> Session:  # on a thread, since files are read for it
            return build_session(options, policy or Motor(pilot_tensors(SHIPPED)), clock, access=access)

        made = await asyncio.to_thread(build)
        running, port = asyncio.ensure_future(made.run()), asyncio.ensure_future(ports.get())
        try:
            await asyncio.wait({running, port}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            yield Played(made, games, access, f"http://127.0.0.1:{await port}")
        finally:
            port.cancel()
            made.stop()
            await running
