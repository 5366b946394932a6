"""A state in a terminal: what is there is shown, what games say cannot command the terminal, narrow ones get it too."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from agent.commands.watching.shown import clock, shown

HOSTILE = "\x1b[31mred\x07[bold]x[/bold]"


def state(name: str = "bow") -> dict[str, Any]:
    game = {
        "owner": "motor", "link": {"state": "up"}, "last_error": None, "game_time_s": 61.0, "action_hz": 60.0,
        "health": 20.0, "max_health": 100.0, "menu": name, "level": 3, "kills": 7, "gold": 5,
    }  # fmt: skip
    plan = {"steps": [name], "made_by": name, "reason": name}
    planner = {"goal": {"text": name}, "games": [{"plan": plan, "subgoal": name, "share": 0.5, "reason": name}]}
    offer = {"captions": [name, "tome"], "chances": [0.75, 0.25], "taken": 0}
    weighed = {"value": 4.25, "candidates": [{"bound": 1.5, "spread": 0.25}], "taken": 0, "offer": offer}
    return {
        "status": {
            "games": [game], "planner": planner, "deadline_missed": {"policy": 2, "send": 0}, "version": "1.2.3",
            "latency": {"policy": {"p50_ms": 0.1, "p99_ms": 0.2}}, "episodes": {"count": 4, "wins": 1}, "policy": name,
            "rss_mb": 512.0, "weights": {"version": 9, "on_trial": True}, "recording": {"written": 10, "lost": 0},
            "learning": {"rollouts": 3, "stale_dropped": 1, "overflowed": 0, "paused": True},
        },
        "scenes": [{"enemies_in_all": 12}], "decisions": [{"weighed": weighed}],
        "owner_s": [{"motor": 30.0, "human": 10.0}],
        "events": [{"kind": name, "message": name}],
    }  # fmt: skip


def text_of(told: dict[str, Any], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    console.print(shown(told, 0, width))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_everything_is_there_within_the_width(width: int) -> None:
    text = text_of(state(), width)
    assert max(map(len, text.splitlines())) <= width
    for said in ("MOTOR", "bow", "20/100", "4.25", "1.50 ± 0.25", "75 %", "version 9", "paused", "512 MiB", "2 policy"):
        assert said in text, said


def test_what_a_game_says_cannot_command_the_terminal() -> None:
    text = text_of(state(HOSTILE), 100)
    assert "\x1b" not in text and "\x07" not in text and "[bold]x" in text


def test_a_session_without_a_game_a_planner_or_learning_is_shown() -> None:
    told = state()
    told["status"]["games"][0] |= {"link": {"state": "down"}, "last_error": "nobody listens"}
    for key in ("planner", "learning", "weights", "recording"):
        told["status"][key] = None
    told |= {"scenes": [None], "decisions": [None], "events": [], "owner_s": [{}]}
    text = text_of(told, 100)
    for said in ("NOBODY", "nobody listens", "nothing plans here", "does not say", "nothing learns", "nothing yet"):
        assert said in text, said


def test_the_clock() -> None:
    assert [clock(s) for s in (None, 0.0, 61.9, 3600.0)] == ["–", "0:00", "1:01", "60:00"]
