"""A scripted game on a real loopback socket, for tests of the client: accepts, sends what it is told, reads actions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from agent.core.types import GameState, Packet, RunInfo
from agent.link.wire import ActionDecoder, encode_packet


def state(sequence: int, **changes: object) -> GameState:
    """A state of play with BLX1."""
    run = RunInfo(sequence, sequence * 16_667, (8, 8), (8, 8), True, False, False, 1, 0.0, 0, 0, 0.0, 0.0, 1, 0.0)
    values: dict[str, object] = {"run": run, **changes}
    enemies = np.zeros((2, 4), np.float32)
    return GameState((0, 0, 0), (0, 0, 0), 100.0, 100.0, 1.0, True, False, enemies, "", (), **values)  # type: ignore[arg-type]


def packet(sequence: int, frame: bytes = b"") -> bytes:
    """One whole packet."""
    return encode_packet(state(sequence), frame)


class GameSide:
    """What one connection sees and can do."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.decoder = ActionDecoder()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self, limit_s: float = 1.0) -> list[object]:
        """Actions of the next bytes; [None] at the end of the stream."""
        loop = asyncio.get_running_loop()
        try:
            data = await asyncio.wait_for(loop.sock_recv(self.socket, 65536), limit_s)
        except ConnectionError:
            return [None]
        return list(self.decoder.feed(data)) if data else [None]


class Listening:
    """The listening side; `accept` waits for the next connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._sides: list[GameSide] = []

    async def accept(self, limit_s: float = 2.0) -> GameSide:
        sock, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(self._listener), limit_s)
        sock.setblocking(False)
        self._sides.append(GameSide(sock))
        return self._sides[-1]

    def close(self) -> None:
        for side in self._sides:
            side.socket.close()
        self._listener.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    """A listener that is closed at the end."""
    game = Listening()
    try:
        yield game
    finally:
        game.close()


class Recorder:
    """A listener of the link that writes down what it is told."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.bad: list[str] = []
        self.ups = 0
        self.downs: list[str] = []
        self._changed = asyncio.Event()

    def on_up(self) -> None:
        self.ups += 1
        self._changed.set()

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        self.packets.append(packet)
        self._changed.set()

    def on_bad_packet(self, reason: str) -> None:
        self.bad.append(reason)

    def on_down(self, reason: str) -> None:
        self.downs.append(reason)
        self._changed.set()

    async def until(self, condition: object, limit_s: float = 120.0) -> None:
        """Wait until `condition()` holds."""
        async with asyncio.timeout(limit_s):
            while not condition():  # type: ignore[operator]
                self._changed.clear()
                await self._changed.wait()
