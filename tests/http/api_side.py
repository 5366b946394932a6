"""The HTTP server with the learner's routes, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.core.clock import SystemClock
from agent.http.decoding import Decoder
from agent.http.events import EventLog
from agent.http.merging import MergeApi
from agent.http.server import serve
from agent.http.workers import event_routes, worker_routes
from agent.learner.client import Learning
from agent.learning.configs import Budget
from agent.store.skills import SkillStore
from agent.store.store import WeightsStore

TOKEN = "t" * 43
WRITES = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
PACKS = {**WRITES, "Content-Type": "application/msgpack", "Accept": "application/msgpack"}
QUICK = Budget(world_steps=1, world_batch=4, world_length=8)


class Source:
    def status(self) -> dict[str, Any]:
        return {"games": [], "latency": {}, "deadline_missed": {}, "rss_mb": 1.0}

    def newest_frame(self) -> None:
        return None


class Api:
    """Everything behind the routes, and a client."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self.clock, self.disk = SystemClock(), Lane("disk")
        self.supervisor, self.events = Supervisor(self.clock), EventLog(self.clock)
        self.learning = Learning(WeightsStore(folder), self.disk, self.clock, self.supervisor, budget)
        self.decoder = Decoder()
        self.merging = MergeApi(self.learning.store, SkillStore(folder / "skills"), self.disk, self.decoder)
        self.port = 0
        self.http: aiohttp.ClientSession

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        data = io.BytesIO(json.dumps(body).encode())
        async with self.http.post(path, data=data, headers=WRITES) as reply:
            assert reply.status == status, (reply.status, await reply.text())
            return await reply.json()

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.http.get(path) as reply:
            assert reply.status == status, (reply.status, await reply.text())
            return await reply.json() if status != 204 else None


@contextlib.asynccontextmanager
async def api(folder: Path, budget: Budget | None = None) -> AsyncIterator[Api]:
    side = Api(folder, QUICK if budget is None else budget)
    ports: asyncio.Queue[int] = asyncio.Queue()
    routes = [
        *worker_routes(side.learning, side.decoder),
        *event_routes(side.decoder, side.events),
        *side.merging.routes(),
    ]
    task = asyncio.ensure_future(
        serve(
            Source(), port=0, token=TOKEN, clock=side.clock, extra_routes=routes, losses=side.learning.losses,
            ready=ports.put_nowait,
        )
    )  # fmt: skip
    side.port = await ports.get()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{side.port}") as side.http:
            yield side
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        side.learning.close()
        side.decoder.close()
        side.disk.close()
