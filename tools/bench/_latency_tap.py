"""A tap on the line between a game and the agent, in its own process: how soon each packet is answered.

    python -m tools.bench._latency_tap HOST:PORT

Passes every byte on unchanged. Prints the port to connect to; when standard input ends, prints JSON: counts, and for
each answered packet the milliseconds from its last byte to the action that claims it (BLX1 sequence to ACX1).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from agent.core.errors import ProtocolError
from agent.link.wire import ActionDecoder, PacketDecoder

REMEMBERED = 512


class Tap:
    """What passed by, over all connections."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.packets = self.claimed = self.unclaimed = self.unknown = 0
        self.latencies_ms: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One agent's connection: open the game's, and pump both ways until either ends."""
        try:
            up_reader, up_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.close()
            return
        sent: dict[int, float] = {}
        packets, actions = PacketDecoder(), ActionDecoder()

        def down(data: bytes) -> None:
            for packet in packets.feed(data):
                self.packets += 1
                if packet.state.run is not None:
                    sent[packet.state.run.sequence] = time.perf_counter()
                    if len(sent) > REMEMBERED:
                        del sent[next(iter(sent))]

        def up(data: bytes) -> None:
            now = time.perf_counter()
            for action in actions.feed(data):
                if action.answers is None:
                    self.unclaimed += 1
                elif (began := sent.pop(action.answers, None)) is None:
                    self.unknown += 1
                else:
                    self.claimed += 1
                    self.latencies_ms.append(round((now - began) * 1e3, 4))

        pumps = (pump(up_reader, writer, down), pump(reader, up_writer, up))
        tasks = {asyncio.ensure_future(each) for each in pumps}
        _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        writer.close()
        up_writer.close()

    def report(self) -> dict[str, object]:
        """Counts and latencies."""
        names = ("packets", "claimed", "unclaimed", "unknown", "latencies_ms")
        return {name: getattr(self, name) for name in names}


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: object) -> None:
    """Pass bytes on first, then look at them."""
    assert callable(see)
    try:
        while data := await reader.read(1 << 18):
            writer.write(data)
            see(data)
            await writer.drain()
    except (ConnectionError, ProtocolError):
        return


async def main(address: str) -> None:
    """Listen until standard input ends."""
    host, _, port = address.rpartition(":")
    tap = Tap(host, int(port))
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    server.close()
    print(json.dumps(tap.report()), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
