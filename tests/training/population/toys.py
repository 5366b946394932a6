"""Populations of the toy, in this process: what tests of the scheduler and of what it keeps share."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from agent.core.errors import ChildGone
from agent.training.population.book import Book, Population
from agent.training.population.config import PopulationConfig
from agent.training.population.contract import Done, Interval
from agent.training.population.scheduler import Scheduler
from tools.bench.population.toy import CONFIG, ToyRunner

TWO = msgspec.structs.replace(CONFIG, periods=(1, 4), steps=100)


def run(config: PopulationConfig, runner: ToyRunner, book: Book, members: int = 8, **more: Any) -> Population:
    scheduler = Scheduler(config, members, runner, book, seed=0, **more)
    return asyncio.run(asyncio.wait_for(scheduler.run(), 60))


class Spy(ToyRunner):
    """Says in which order members trained; at `fails` calls, in turn, it is gone. places: at once."""

    def __init__(self, *, fails: tuple[int, ...] = (), broken: tuple[int, ...] = (), places: int = 1) -> None:
        super().__init__()
        self.orders: list[Interval] = []
        self.done: list[Done] = []
        self.began: list[bytes] = []
        self.left: list[bytes] = []
        self.fails, self.broken, self.places = fails, broken, places

    async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        self.orders.append(order)
        await asyncio.sleep(0)
        if len(self.orders) in self.fails:
            raise ChildGone("killed")
        if order.member in self.broken and order.number < 2:
            return Done(steps=0, scores=[], metrics={}, broken="not finite"), b""
        done, after = await super().run(order, state)
        self.done.append(done)
        self.began.append(state)
        self.left.append(after)
        return done, after
