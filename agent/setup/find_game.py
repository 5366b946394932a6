"""Which game to play: one that already listens, or the built-in one.

Only looks; owns no connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.core.errors import ProtocolError
from agent.core.types import Packet
from agent.link.endpoint import DEFAULT_PORT, PLUGIN_PORT, Endpoint
from agent.link.wire import PacketDecoder

_PATIENCE_S = 0.5
_READ_BYTES = 1 << 16


async def first_packet(endpoint: Endpoint, *, patience_s: float = _PATIENCE_S) -> Packet | None:
    """The first packet of the game at this address; None where nothing there soon sends a BonkLink packet."""
    writer = None
    decoder = PacketDecoder()
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            while data := await reader.read(_READ_BYTES):
                if packets := decoder.feed(data):
                    return packets[0]
    except (OSError, TimeoutError, ProtocolError):
        return None
    finally:
        if writer is not None:
            writer.close()
    return None


async def answers_as_game(endpoint: Endpoint, *, patience_s: float = _PATIENCE_S) -> bool:
    """True when the address accepts a connection and soon sends a BonkLink packet."""
    return await first_packet(endpoint, patience_s=patience_s) is not None


async def find_game(host: str, ports: Sequence[int] = (DEFAULT_PORT, PLUGIN_PORT)) -> Endpoint | None:
    """The first port that answers as a game, in the order given; None when none does."""
    for port in ports:
        endpoint = Endpoint(host, port)
        if await answers_as_game(endpoint):
            return endpoint
    return None
