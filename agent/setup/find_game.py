"""Which game to play: one that already listens, or the built-in one.

Only looks; owns no connection.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence

from agent.link.endpoint import DEFAULT_PORT, PLUGIN_PORT, Endpoint

_HEAD = struct.Struct("<i")
_PATIENCE_S = 0.5
_LARGEST_STATE_BYTES = 262_144


async def answers_as_game(endpoint: Endpoint, *, patience_s: float = _PATIENCE_S) -> bool:
    """True when the address accepts a connection and soon sends what can be the head of a BonkLink packet."""
    writer = None
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
            return bool(1 <= size <= _LARGEST_STATE_BYTES)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False
    finally:
        if writer is not None:
            writer.close()


async def find_game(host: str, ports: Sequence[int] = (DEFAULT_PORT, PLUGIN_PORT)) -> Endpoint | None:
    """The first port that answers as a game, in the order given; None when none does."""
    for port in ports:
        endpoint = Endpoint(host, port)
        if await answers_as_game(endpoint):
            return endpoint
    return None
