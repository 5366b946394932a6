"""What the page costs play: one browser, nine plain readers and one that never reads, against none, in one run.

    python -m tools.bench.page [--blocks 4] [--seconds 12] [--fps 10] [--out FILE]

One session of the shipped pilot plays tests/integration/foreign_game.py: 60 packets a second, a picture with every
sixth. Blocks without readers and blocks with all eleven, in turns. The game says how soon each packet was answered;
differences have 95 % intervals, bootstrapped over neighbouring blocks. `age_ms`: from a picture's arrival in the agent
until a plain reader has it, on the one clock of this machine. `rss_mb`: the agent's memory at the end of each block.
`left_ms` and `watchers_left`: how long it took until nothing was left of readers that were killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import struct
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
import psutil

from tools.bench._result_file import publish
from tools.bench.latency import _ports, foreign_game, picture
from tools.bench.watching import _agent, _ended, block_of, compare

READERS: Final = 9
PICTURE: Final = 1
WARM_S: Final = 3.0
_HEAD: Final = struct.Struct("<BQ")


class Ages:
    """How old each picture was when a reader had it, ms; kept while `counts`."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.counts = False

    async def read(self, http: aiohttp.ClientSession, fps: float) -> None:
        """Read until cancelled."""
        async with http.ws_connect("/api/v1/live", params={"fps": str(fps)}, max_msg_size=0) as socket:
            async for got in socket:
                if got.type is aiohttp.WSMsgType.BINARY:
                    kind, time_ns = _HEAD.unpack_from(got.data)
                    if kind == PICTURE and self.counts:
                        self.ms.append((time.monotonic_ns() - time_ns) * 1e-6)


async def never_read(port: int, fps: float) -> None:
    """Ask for the stream and read no byte of it; again whenever it was dropped."""
    head = (
        f"GET /api/v1/live?fps={fps} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(head.encode())
        try:
            await asyncio.sleep(6.0)
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def watching(port: int, fps: float, profile: Path, ages: Ages) -> AsyncIterator[None]:
    """A browser on the page, nine plain readers and one that never reads."""
    async with contextlib.AsyncExitStack() as stack:
        if shutil.which("chromium"):
            from tools.page.browser import browsing

            tab = await stack.enter_async_context(browsing(profile))
            await tab.open(f"http://127.0.0.1:{port}/?fps={fps:g}")
        http = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        tasks = [asyncio.ensure_future(ages.read(http, fps)) for _ in range(READERS)]
        tasks.append(asyncio.ensure_future(never_read(port, fps)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def state(port: int) -> dict[str, Any]:
    """The newest state."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/api/v1/state") as reply:
        found: dict[str, Any] = await reply.json()
        return found


async def blocks_of(
    port: int, agent: psutil.Popen, blocks: int, seconds: float, fps: float, folder: Path
) -> dict[str, Any]:
    """Blocks without and with readers, in turns: their spans, the agent's memory after each, ages, what was left."""
    ages, spans, rss_mb, left_ms = Ages(), [], [], []
    for k in range(2 * blocks):
        async with contextlib.AsyncExitStack() as stack:
            if k % 2:
                await stack.enter_async_context(watching(port, fps, folder / f"profile{k}", ages))
            await asyncio.sleep(WARM_S)
            ages.counts = k % 2 == 1
            began_s = time.monotonic()
            await asyncio.sleep(seconds)
            spans.append((began_s, time.monotonic()))
            ages.counts = False
            rss_mb.append(round(agent.memory_info().rss / 2**20, 1))
        if k % 2:
            began_s = time.monotonic()
            while (told := await state(port))["stream"]["watchers"] and time.monotonic() - began_s < 10.0:
                await asyncio.sleep(0.02)
            left_ms.append(round(1e3 * (time.monotonic() - began_s), 1))
    stream = told["stream"]
    return {"spans": spans, "rss_mb": rss_mb, "ages": ages.ms, "left_ms": left_ms, "stream": stream}


def measure(blocks: int, seconds: float, fps: float) -> dict[str, Any]:
    """The whole run."""
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), _ports(1)
        with foreign_game(ports, picture(folder), ("--each",)) as finish:
            agent, port = _agent(ports, folder / "agent.json")
            time.sleep(WARM_S)
            found = asyncio.run(blocks_of(port, agent, blocks, seconds, fps, folder))
            seen = finish()
            _ended(agent, folder / "agent.json")
    each = [block_of(seen, *span) for span in found["spans"]]
    ages = np.array(found["ages"] or [np.nan])
    return {
        "hz": 60, "fps": fps, "seconds": seconds, "readers": READERS + 2,
        "with_browser": shutil.which("chromium") is not None,
        **compare(each[::2], each[1::2]), "blocks": each, "rss_mb": found["rss_mb"],
        "rss_more_mb": round(max(found["rss_mb"][1::2]) - found["rss_mb"][0], 1),
        "age_ms": {f"p{p}": round(float(np.percentile(ages, p)), 1) for p in (50, 95, 99)},
        "pictures": len(found["ages"]), "left_ms": found["left_ms"], "dropped": found["stream"]["dropped"],
        "watchers_left": found["stream"]["watchers"],
    }  # fmt: skip


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    publish("page", measure(args.blocks, args.seconds, args.fps), args.out)


if __name__ == "__main__":
    main()
