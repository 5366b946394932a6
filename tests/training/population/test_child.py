"""The process in which members train: killed, it loses one interval at most."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from agent.learning.population import Range
from agent.training.population.book import MemoryBook
from agent.training.population.config import PopulationConfig
from agent.training.population.member import Task
from agent.training.population.runner import LocalRunner
from agent.training.population.scheduler import Scheduler
from tests.training.population.members import GAME


def test_a_killed_process_loses_one_interval_at_most() -> None:
    config = PopulationConfig(steps=2048, interval=1024, periods=(1,), search={"lr": Range(1e-3, 2e-3)})
    task = Task(game=GAME, total_steps=2048, searched=("lr",))

    async def run() -> tuple[int, list[int]]:
        runner, lines, said = LocalRunner(task), list[dict[str, Any]](), list[str]()

        def killing(line: dict[str, Any]) -> None:
            lines.append(line)
            if len(lines) == 3:
                asyncio.get_running_loop().call_later(0.05, os.kill, runner.pids[0], signal.SIGKILL)

        try:
            scheduler = Scheduler(config, 2, runner, MemoryBook(), seed=0, on_line=killing, say=said.append)
            population = await asyncio.wait_for(scheduler.run(), 300)
        finally:
            runner.close()
        return sum("was lost" in text for text in said), [m.intervals for m in population.members]

    lost, intervals = asyncio.run(run())
    assert (lost, intervals) == (1, [2, 2])
