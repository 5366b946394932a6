"""The live line speaks of what the game has, fits the terminal, and cannot be used to command it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len

from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.types import Packet
from agent.games.gymnasium_host import GymnasiumGame
from agent.link.accounting import LinkCounters
from agent.session.console import line
from agent.session.sense import Feed
from agent.session.status import Rates, Status
from tests.link.game_side import state

GAME: dict[str, Any] = {
    "name": "gym:CartPole-v1", "link": {"state": "up"}, "action_hz": 59.9, "health": 100.0, "max_health": 100.0,
    "menu": "", "level": 3, "kills": 12, "game_time_s": 61.0, "last_error": None,
}  # fmt: skip
STATUS: dict[str, Any] = {
    "uptime_s": 123456.0, "policy": "pilot", "games": [GAME], "deadline_missed": {"policy": 1234, "link": 1},
    "episodes": {}, "latency": {"frame_to_action": {"p50_ms": 0.35, "p99_ms": 13.05}},
}  # fmt: skip
WRITES_THE_CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4K\x1b\\"


class _Link:
    """As much of a link as the status reads."""

    endpoint = "127.0.0.1:1"
    is_up = True
    last_error = None

    def __init__(self) -> None:
        self.counters = LinkCounters()


def live(name: str, shown: Any, episodes: dict[str, Any]) -> str:
    clock = VirtualClock()
    feed = Feed(0, name, clock, Latency(), lambda: None)
    feed.on_up()
    feed.on_packet(Packet(shown, b""), clock.now_s())
    game = Status._game(_Stub(clock), _Link(), feed)  # type: ignore[arg-type]
    return line({
        "uptime_s": 3.0, "policy": "random", "latency": {}, "deadline_missed": {}, "games": [game],
        "episodes": episodes,
    })  # fmt: skip


class _Stub:
    """A status without a session."""

    def __init__(self, clock: VirtualClock) -> None:
        self._rates = Rates(clock)
        self._actor = SimpleNamespace(seats=[SimpleNamespace(owner="motor")])


def test_an_environment_has_no_kills_and_no_level_and_its_mean_return_is_shown() -> None:
    said = live("gym:CartPole-v1", GymnasiumGame("gym:CartPole-v1").state(), {"episode_return": {"mean": 21.5}})
    assert "gym:CartPole-v1: 0 s, mean return 21.5" in said
    assert not any(word in said for word in ("kills", "level", "HP", "None"))


def test_a_run_has_its_level_kills_and_health() -> None:
    said = live("arena", state(1), {"count": 0})
    assert "level" in said and "kills" in said and "HP" in said


def of(**game: Any) -> dict[str, Any]:
    return STATUS | {"games": [GAME | game]}


@pytest.mark.parametrize("width", [79, 40, 200])
@pytest.mark.parametrize("menu", ["", "Main Menu " * 20, "主菜单" * 30, WRITES_THE_CLIPBOARD])
def test_the_live_line_fits_and_keeps_what_matters(menu: str, width: int) -> None:
    shown = line(of(menu=menu) | {"policy": "my_own_policies:TheVeryBest"}, width)
    assert cell_len(shown) <= width and shown.isprintable()
    if width >= 79:
        assert "1/1 up" in shown and "59.9 actions/s" in shown and "p99 13.05 ms" in shown and "1235 late" in shown


def test_a_line_of_a_log_says_all() -> None:
    shown = line(STATUS)
    assert "p50 0.35 ms p99 13.05 ms" in shown and "1235 deadlines missed" in shown and "level 3, 12 kills" in shown
    assert line(of(health=None, last_error="refused")).endswith("refused · 1235 deadlines missed")
    assert line(of(health=None)).count("·") == 5
    seen = {"latency": STATUS["latency"] | {"picture_to_action": {"p50_ms": 63.5, "p99_ms": 90.0}}}
    assert "picture→action p50 63.50 ms" in line(STATUS | seen) and "picture" not in shown


@pytest.mark.parametrize("place", ["menu", "name", "last_error"])
def test_what_a_game_says_cannot_command_a_terminal(place: str) -> None:
    said = f"a{WRITES_THE_CLIPBOARD}\r\n\x9b2J\u202eb\udc80"
    given = of(**{place: said}) if place != "last_error" else of(health=None, last_error=said)
    for width in (None, 300):
        assert line(given, width).isprintable() and r"\x1b]52;c;" in line(given, width)


def test_the_line_says_what_of_play_was_thrown_away_and_nothing_of_deadlines_that_are_none() -> None:
    learning = {"rollouts": 13, "overflowed": 100, "stale_dropped": 3}
    for width in (None, 200):
        assert "103 of 116 rollouts thrown away" in line(STATUS | {"learning": learning}, width)
        whole = {"rollouts": 116, "overflowed": 0, "stale_dropped": 0}
        assert "thrown away" not in line(STATUS | {"learning": whole}, width)
        shown = line(STATUS | {"real_time": False}, width)
        assert "late" not in shown and "deadlines" not in shown


def test_the_line_shows_goal_subgoal_and_owner_where_something_plans() -> None:
    game = {**GAME, "owner": "planner"}
    planner = {"goal": {"text": "Take the bow"}, "games": [{"subgoal": "kill(20)"}]}
    assert "Take the bow: kill(20), planner acts" in line({**STATUS, "games": [game], "planner": planner})
    planner["games"] = [{"subgoal": None}]
    assert "Take the bow: nothing yet, planner acts" in line({**STATUS, "games": [game], "planner": planner})
    assert "acts" not in line(STATUS)
