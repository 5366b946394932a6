"""What the page costs play: one browser, nine plain readers, a slow one and one that never reads, against none.

    python -m tools.bench.page [--blocks 4] [--seconds 12] [--fps 30] [--who all readers browser] [--out FILE]

One session of the shipped pilot plays tests/integration/foreign_game.py: 60 packets a second, a picture with every
second one. Blocks without readers and blocks with them, in turns; `readers` are all but the browser. The game says how
soon each packet was answered; differences have 95 % intervals, bootstrapped over neighbouring blocks. `floor`: the same
of a client that only decodes and answers (`_latency_floor`), on a second port of the game, which nobody watches: what
it loses is lost because other programs use the processor. `age_ms`: from a picture's capture until the reader that asks
for ten a second has it, on the one clock of this machine. `rss_mb`: the agent's memory at the end of each block.
Readers are a process that is killed, and so is the browser; `left`: how long it took until the agent had no watcher,
and how many files, threads and connections it then had more than before.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
import psutil

from tools.bench._result_file import ROOT, publish
from tools.bench.latency import _ports, foreign_game, picture
from tools.bench.watching import _agent, _ended, block_of, compare

READERS: Final = 9
AGE_FPS: Final = 10.0
"""The first of the readers asks for so many a second, and tells how old its pictures are."""
PICTURE: Final = 1
WARM_S: Final = 3.0
LEFT_S: Final = 10.0
WHO: Final = ("all", "readers", "browser")
_HEAD: Final = struct.Struct("<BQ")
_ASKS: Final = (
    "GET /api/v1/live?fps={fps} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def read(http: aiohttp.ClientSession, fps: float, ages_ms: list[float]) -> None:
    """Read until cancelled; how old each picture was."""
    async with http.ws_connect("/api/v1/live", params={"fps": str(fps)}, max_msg_size=0) as socket:
        async for got in socket:
            if got.type is aiohttp.WSMsgType.BINARY:
                kind, time_ns = _HEAD.unpack_from(got.data)
                if kind == PICTURE:
                    ages_ms.append((time.monotonic_ns() - time_ns) * 1e-6)


async def read_badly(port: int, fps: float, slow: bool) -> None:
    """Ask for the stream and read little of it, or nothing; again whenever it was dropped."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(_ASKS.format(fps=fps, port=port).encode())
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(60.0 if slow else 6.0):
                while not slow or await reader.read(1024):
                    await asyncio.sleep(0.02)
        writer.transport.abort()


async def read_all(port: int, fps: float, seconds: float) -> None:
    """All readers of one block: print the ages that the first of them saw in it, and read on."""
    ages_ms: list[float] = []
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        tasks = [asyncio.ensure_future(read(http, AGE_FPS if i == 0 else fps, ages_ms if i == 0 else []))
                 for i in range(READERS)]  # fmt: skip
        tasks += [asyncio.ensure_future(read_badly(port, fps, slow)) for slow in (False, True)]
        await asyncio.sleep(WARM_S)
        ages_ms.clear()
        await asyncio.sleep(seconds)
        print(json.dumps([round(ms, 1) for ms in ages_ms]), flush=True)
        await asyncio.gather(*tasks)


@contextlib.contextmanager
def readers(port: int, fps: float, seconds: float, ages_ms: list[float]) -> Iterator[None]:
    """The readers' process, killed at the end."""
    command = [sys.executable, "-m", "tools.bench.page", "--readers", str(port), "--fps", str(fps)]
    with subprocess.Popen([*command, "--seconds", str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield
            assert child.stdout is not None
            ages_ms += json.loads(child.stdout.readline() or "[]")
        finally:
            child.kill()


@contextlib.asynccontextmanager
async def watching(
    who: str, port: int, fps: float, seconds: float, profile: Path, ages_ms: list[float]
) -> AsyncIterator[None]:
    """Those who watch, until they are killed."""
    async with contextlib.AsyncExitStack() as stack:
        if who in ("all", "browser") and shutil.which("chromium"):
            from tools.page.browser import browsing

            tab = await stack.enter_async_context(browsing(profile, kills=True))
            await tab.open(f"http://127.0.0.1:{port}/?fps={fps:g}")
        if who in ("all", "readers"):
            stack.enter_context(readers(port, fps, seconds, ages_ms))
        yield


async def state(port: int) -> dict[str, Any]:
    """The newest state."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/api/v1/state") as reply:
        found: dict[str, Any] = await reply.json()
        return found


def held(agent: psutil.Popen) -> dict[str, int]:
    """What the agent holds open."""
    return {"files": agent.num_fds(), "threads": agent.num_threads(), "connections": len(agent.net_connections())}


async def _left(port: int, agent: psutil.Popen, before: dict[str, int]) -> dict[str, Any]:
    """What is left of readers that were killed, and how long it took until none watched."""
    began_s = time.monotonic()
    while (told := (await state(port))["stream"])["watchers"] and time.monotonic() - began_s < LEFT_S:
        await asyncio.sleep(0.02)
    left_ms = round(1e3 * (time.monotonic() - began_s), 1)
    while (now := held(agent))["connections"] > before["connections"] and time.monotonic() - began_s < LEFT_S:
        await asyncio.sleep(0.1)
    return {"ms": left_ms, "watchers": told["watchers"], **{k: now[k] - before[k] for k in now}}


async def blocks_of(
    port: int, agent: psutil.Popen, order: list[str], seconds: float, fps: float, folder: Path
) -> dict[str, Any]:
    """One block for each of `order`, "" for nobody: spans, the agent's memory after each, ages, what was left."""
    found: dict[str, Any] = {"spans": [], "rss_mb": [], "cores": [], "ages_ms": [], "left": []}
    await state(port)
    await asyncio.sleep(WARM_S)
    before = held(agent)
    for k, who in enumerate(order):
        async with contextlib.AsyncExitStack() as stack:
            if who:
                profile = folder / f"profile{k}"
                await stack.enter_async_context(watching(who, port, fps, seconds, profile, found["ages_ms"]))
            await asyncio.sleep(WARM_S)
            began_s, busy = time.monotonic(), agent.cpu_times()
            await asyncio.sleep(seconds)
            found["spans"].append((began_s, time.monotonic()))
            now = agent.cpu_times()
            found["cores"].append(round((now.user + now.system - busy.user - busy.system) / seconds, 3))
            found["rss_mb"].append(round(agent.memory_info().rss / 2**20, 1))
        if who:
            found["left"].append(await _left(port, agent, before))
            await asyncio.to_thread(shutil.rmtree, folder / f"profile{k}", True)
    found["stream"] = (await state(port))["stream"]
    return found


def measure(blocks: int, seconds: float, fps: float, who: list[str]) -> dict[str, Any]:
    """The whole run."""
    order = ["", *who] * blocks
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), _ports(2)
        with foreign_game(ports, picture(folder), ("--each", "--frame-every", "2")) as finish:
            floor = subprocess.Popen([sys.executable, "-m", "tools.bench._latency_floor", str(ports[1])], cwd=ROOT)
            agent, port = _agent(ports[:1], folder / "agent.json")
            time.sleep(WARM_S)
            found = asyncio.run(blocks_of(port, agent, order, seconds, fps, folder))
            seen = finish()
            _ended(agent, folder / "agent.json")
            floor.wait(60)
    sides = {"agent": seen[:1], "floor": seen[1:]}
    each = {side: [block_of(games, *span) for span in found["spans"]] for side, games in sides.items()}
    step = len(who) + 1
    against = {
        name: {side: compare(each[side][::step], each[side][1 + i :: step]) for side in sides}
        for i, name in enumerate(who)
    }
    ages, left = np.array(found["ages_ms"] or [np.nan]), found["left"]
    return {
        "hz": 60, "pictures_hz": 30, "fps": fps, "seconds": seconds, "readers": READERS + 3,
        "with_browser": shutil.which("chromium") is not None, "order": order,
        **against[who[0]]["agent"], "against_none": against, "blocks": each, "cores": found["cores"],
        "rss_mb": found["rss_mb"], "rss_more_mb": round(max(found["rss_mb"]) - found["rss_mb"][0], 1),
        "age_ms": {f"p{p}": round(float(np.percentile(ages, p)), 1) for p in (50, 95, 99)},
        "pictures": len(found["ages_ms"]), "left": {k: max(one[k] for one in left) for k in left[0]},
        "dropped": found["stream"]["dropped"], "watchers_left": found["stream"]["watchers"],
    }  # fmt: skip


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--who", nargs="+", choices=WHO, default=["all"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--readers", type=int, metavar="PORT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.readers:
        asyncio.run(read_all(args.readers, args.fps, args.seconds))
        return
    publish("page", measure(args.blocks, args.seconds, args.fps, args.who), args.out)


if __name__ == "__main__":
    main()
