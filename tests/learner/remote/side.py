"""A learner behind HTTP whose process is a double that notes what it learns from, and a worker of it, for tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from safetensors.numpy import save

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.core.clock import SystemClock
from agent.core.errors import ChildGone
from agent.core.rollout import Rollout
from agent.http.decoding import Decoder
from agent.http.server import serve
from agent.http.workers import worker_routes
from agent.learner.bodies import unpack_rollout
from agent.learner.client import KIND, Learning
from agent.learner.messages import Learn, Learned, Open, Opened
from agent.learner.pace import Pace
from agent.learner.remote.calls import LearnerCalls
from agent.learner.remote.inbox import Inbox
from agent.learner.remote.rollout_log import RolloutLog
from agent.learner.remote.worker import RemoteLearning
from agent.learning.configs import Budget, PolicySpec
from agent.store.store import WeightsStore

TOKEN = "t" * 43


def rollout(number: int, version: int = 1, game: str = "game") -> Rollout:
    """One step that pays its number, so that whoever learns from it can be told which it is."""
    return Rollout(
        instance=game, policy="p", policy_version=version, obs=np.zeros((1, 2), np.float32),
        actions_cont=np.zeros((1, 1), np.float32), actions_disc=np.ones((1, 1), np.int64),
        rewards=np.full(1, number, np.float32), terminated=np.zeros(1, np.bool_), truncated=np.zeros(1, np.bool_),
        is_first=np.ones(1, np.bool_), elapsed_s=np.zeros(1, np.float32), final_obs=np.zeros((1, 2), np.float32),
    )  # fmt: skip


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; the limit only catches hangs."""
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.002)


class ChildDouble:
    """The learner's process: `learned` are the numbers of the rollouts, `hold` keeps it busy, `dies` ends it once."""

    def __init__(self) -> None:
        self.learned: list[int] = []
        self.is_up, self.starts, self.dies = True, 1, False
        self.hold: asyncio.Event | None = None

    async def call(self, message: Any, kind: Any, payload: bytes = b"", timeout_s: float = 0.0) -> tuple[Any, bytes]:
        weights = save({"w": np.full(1, len(self.learned), np.float32)})
        if isinstance(message, Open):
            return Opened(parts=[], begun="", place=""), weights
        if isinstance(message, Learn):
            if self.hold is not None:
                await self.hold.wait()
            if self.dies:
                self.dies = False
                raise ChildGone("the learner ended")
            self.learned.append(round(float(unpack_rollout(payload).rewards[0])))
        return Learned(losses={}, parked={}, seconds={}, steps=1), save({"w": np.ones(1, np.float32)})

    def close(self) -> None:
        pass

    def status(self) -> dict[str, Any]:
        return {}


class LearnerSide:
    """A learner of the policy p on a folder. `inbox` holds its log."""

    def __init__(self, folder: Path, **inbox: Any) -> None:
        self.clock, self.disk, self.child = SystemClock(), Lane("disk"), ChildDouble()
        store = WeightsStore(folder)
        self.learning = Learning(store, self.disk, self.clock, Supervisor(self.clock), Budget())
        self.learning.child = self.child  # type: ignore[assignment]
        self.log = RolloutLog(folder / "rollouts")
        self.inbox = Inbox(self.learning, self.log, self.disk, self.clock, **inbox)
        self.port = 0

    def status(self) -> dict[str, Any]:
        return {"games": [], "latency": {}, "deadline_missed": {}, "rss_mb": 1.0}

    def newest_frame(self) -> None:
        return None


@contextlib.asynccontextmanager
async def learner(folder: Path, *, port: int = 0, is_open: bool = False, **inbox: Any) -> AsyncIterator[LearnerSide]:
    side, decoder, ports = LearnerSide(folder, **inbox), Decoder(), asyncio.Queue[int]()
    await side.inbox.begin()
    serving = serve(
        side, port=port, token=TOKEN, clock=side.clock, is_open=is_open, has_page=False, ready=ports.put_nowait,
        extra_routes=worker_routes(side.learning, decoder, side.inbox),
    )  # fmt: skip
    tasks = [asyncio.ensure_future(serving), asyncio.ensure_future(side.inbox.run())]
    side.port = await ports.get()
    try:
        yield side
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        side.inbox.close()
        side.disk.close()
        decoder.close()


class ReloaderDouble:
    """Takes every version up under a number of its own, from 100 on."""

    def __init__(self) -> None:
        self.rollbacks: list[dict[str, Any]] = []
        self.taken = 0

    async def offer(self, tensors: Any, source: str) -> int:
        self.taken += 1
        return 99 + self.taken

    def refuse(self, source: str, reason: str) -> None:
        raise AssertionError(reason)


class WorkerSide:
    """A worker of the policy p; what it plays is put into `rollouts`."""

    def __init__(self, port: int) -> None:
        self.clock, self.disk, self.reloader = SystemClock(), Lane("disk"), ReloaderDouble()
        self.pace = Pace(self.clock, 1, real_time=True)
        self.rollouts = self.pace.rollouts
        self.parted = 0
        recorder: Any = SimpleNamespace(status=dict, part_all=self._part)
        reloader: Any = self.reloader
        self.events: list[str] = []
        self.remote = RemoteLearning(
            LearnerCalls(f"http://127.0.0.1:{port}", TOKEN), self.pace, recorder, reloader,
            PolicySpec(name="p", features=2, continuous=1, branches=(3,)), KIND, self.disk, self.clock,
            say=lambda kind, message, payload: self.events.append(kind),
        )  # fmt: skip

    def _part(self) -> None:
        self.parted += 1

    @property
    def settled(self) -> int:
        """Rollouts that the learner has said of what became of them."""
        return self.remote.pushed + self.remote.old + self.remote.refused


@contextlib.asynccontextmanager
async def worker(port: int) -> AsyncIterator[WorkerSide]:
    side = WorkerSide(port)
    task = asyncio.ensure_future(side.remote.run())
    try:
        yield side
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        side.disk.close()
