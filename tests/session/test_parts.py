"""Parts that only show something."""

from __future__ import annotations

import asyncio
import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from agent.concurrency.supervise import Supervisor
from agent.core.clock import VirtualClock
from agent.session.parts import CardsByMotor, ConsoleLine, ServedPolicy, Supervision


def test_what_is_shown_is_what_it_is_asked_of() -> None:
    supervisor = Supervisor(VirtualClock())
    supervisor.park("learner", "gone")
    assert Supervision(supervisor).status() == {"faults": {}, "parked": {"learner": "gone"}}
    policy: Any = SimpleNamespace(served=lambda: {"acts": "a dream"})
    assert ServedPolicy(policy).status() == {"acts": "a dream"}
    assert CardsByMotor("it is off").status() == {"chooser": "motor", "why": "it is off"}


def test_the_line_on_the_console_is_printed_until_it_is_cancelled() -> None:
    async def main() -> str:
        game = {"link": {"state": "up"}, "action_hz": 60.0, "health": None, "last_error": "no game"}
        values = {"uptime_s": 3.0, "policy": "toy", "games": [game], "latency": {}, "deadline_missed": {"policy": 2}}
        source: Any = SimpleNamespace(status=lambda: values)
        clock, shown = VirtualClock(), io.StringIO()
        task = asyncio.ensure_future(ConsoleLine(source, clock, Console(file=shown)).run())
        await asyncio.sleep(0)
        await clock.advance(10.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return shown.getvalue()

    said = asyncio.run(main())
    assert "1/1 up" in said and "no game" in said and "2 deadlines missed" in said and said.count("\n") == 1
