"""A client that only decodes and answers: the floor that the agent's latency is compared with.

    python -m tools.bench._latency_floor PORT

Decodes each packet and its JPEG in the protocol's callback and answers at once with one action. It uses the codec,
the socket options and the event loop of the agent, and nothing else of it. Ends when the game closes.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from agent.core.types import Action
from agent.link.bonklink import _tune
from agent.link.imaging import decode_frame
from agent.link.wire import PacketDecoder, encode_action


class Floor(asyncio.BufferedProtocol):
    """Answers each packet within the callback that brought its last byte."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended
        self._view = memoryview(bytearray(1 << 18))
        self._decoder = PacketDecoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and set its options."""
        self._transport = transport  # type: ignore[assignment]
        _tune(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for every read."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Decode what came whole, and answer it."""
        assert self._transport is not None
        for packet in self._decoder.feed(self._view[:nbytes]):
            if packet.frame:
                decode_frame(packet.frame)
            run = packet.state.run
            self._transport.write(encode_action(Action((0.5, 0.5), answers=run.sequence if run is not None else None)))

    def connection_lost(self, exc: Exception | None) -> None:
        """The game is over."""
        self._ended.set()


async def main(port: int) -> None:
    """Answer until the game closes."""
    ended = asyncio.Event()
    await asyncio.get_running_loop().create_connection(lambda: Floor(ended), "127.0.0.1", port)
    await ended.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
