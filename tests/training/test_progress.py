"""Progress of a training: lines at a known pace without a terminal, a bar at one."""

from __future__ import annotations

import asyncio
import io

from rich.console import Console

from agent.core.clock import VirtualClock
from agent.training.progress import TrainingProgress


def test_without_a_terminal_a_line_comes_every_five_seconds_and_at_the_end() -> None:
    said, clock = io.StringIO(), VirtualClock()
    with TrainingProgress(Console(file=said), clock, "gym:A-v0", 100, 400) as progress:
        for steps in range(120, 401, 20):
            asyncio.run(clock.advance(1.0))
            progress.update(steps, "gym:A-v0 return 3.00")
    lines = said.getvalue().splitlines()
    assert lines == [
        "gym:A-v0 return 3.00: 200 of 400 steps, 50%, 20 steps/s",
        "gym:A-v0 return 3.00: 300 of 400 steps, 75%, 20 steps/s",
        "gym:A-v0 return 3.00: 400 of 400 steps, 100%, 20 steps/s",
    ]


def test_at_a_terminal_there_is_a_bar() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=100)
    with TrainingProgress(console, VirtualClock(), "gym:A-v0", 0, 10) as progress:
        progress.update(5, "half")
    assert "5/10" in said.getvalue() and "half" in said.getvalue()
