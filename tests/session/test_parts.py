"""Parts that only show something."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from agent.concurrency.supervise import Supervisor
from agent.core.clock import VirtualClock
from agent.session.console import ended, why_nothing
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


def test_the_end_says_what_was_played_what_was_kept_and_why_a_game_died() -> None:
    hosted = {"faults": {"toy": 2}, "reasons": {"toy": "the wheel\x1b[2J came off"}}
    status = {
        "game": "toy", "uptime_s": 12.3, "policy": "pilot", "deadline_missed": {"policy": 1, "loop": 2},
        "games": [{"name": "toy", "address": "a", "link": {"acted": 700}, "last_error": "refused"}],
        "latency": {"frame_to_action": {"p50_ms": 0.5, "p99_ms": 2.0}}, "episodes": {"count": 1},
        "weights": {"policy": "pilot", "version": 3}, "hosted": hosted,
    }  # fmt: skip
    assert ended(status, Path("r.json"), Path("w")) == [
        "Played toy for 12 s with pilot: 700 actions within 0.50 ms (p50), 2.00 ms (p99), 3 late; 1 finished episode.",
        "toy ended by itself 2 times; the last time: the wheel\\x1b[2J came off",
        "Kept: the report in r.json; weights of pilot, version 3, in w.",
    ]
    assert ended({**status, "weights": None}, None, Path("w"))[-1].startswith("Nothing was kept")
    assert why_nothing(status) == "the wheel\\x1b[2J came off"
    del status["hosted"]
    assert why_nothing(status) == "refused"
