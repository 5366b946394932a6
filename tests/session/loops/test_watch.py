"""Loops are found while a session plays: said once, shown, told to the planner, and over when something new comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import pytest

from agent.app import build_session
from agent.control.kiter import Kiter
from agent.core.clock import SystemClock, VirtualClock
from agent.core.latency import Latency
from agent.core.types import NEUTRAL, Action, GameState, Observation, Packet
from agent.link.endpoint import Endpoint
from agent.planning.backend import LlmConfig
from agent.planning.goal import parse_goal
from agent.session.loops.watch import ANEW_S, Loops, LoopWatch
from agent.session.options import Planning, SessionOptions
from agent.session.sense import Feed
from tests.journal.export.test_rows import state

T = TypeVar("T")
MOVES = Action((1.0, 0.0))


class Now:
    """A lane that has no thread."""

    async def run(self, fn: Callable[[], T]) -> T:
        return fn()


class Played:
    """One game of five packets a second, and what was said of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.feed = Feed(0, "game", self.clock, Latency(), lambda: None)
        self.feed.on_up()
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.told: list[str] = []
        self.watch = LoopWatch([self.feed], self.clock, Now(), self._say, lambda game, text: self.told.append(text))
        self.looks = 0

    def _say(self, kind: str, text: str, payload: dict[str, Any]) -> None:
        self.events.append((kind, text, payload))

    @property
    def now(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.watch.status()["games"][0]["now"]
        return found

    def play(
        self, seconds: float, place: Callable[[int], tuple[float, str]], action: Action = MOVES, *, reward: float = 0.0,
        is_last: bool = False,
    ) -> None:  # fmt: skip
        """Play; `place` gives x and the menu of each packet."""

        async def run() -> None:
            for k in range(round(seconds * 5)):
                x, menu = place(k)
                self.looks += 1
                await self.clock.advance(0.2)
                seen = msgspec.structs.replace(_timed(menu, self.clock.now_s()), position=(x, 0.0, 0.0))
                self.feed.on_packet(Packet(seen, b""), self.clock.now_s())
                self.watch.on_step(
                    Observation(0, seen, None, 0, 0.2, self.clock.now_s(), reward, False, is_last, is_last), action, 0
                )
                await self.watch.look()

        asyncio.run(run())


def _timed(menu: str, time_s: float) -> GameState:
    seen = state(0, menu=menu)
    assert seen.run is not None
    return msgspec.structs.replace(seen, run=msgspec.structs.replace(seen.run, capture_time_us=round(1e6 * time_s) + 1))


def onwards(k: int) -> tuple[float, str]:
    return 2.0 * k, ""


def shop(k: int) -> tuple[float, str]:
    """In and out of a shop, a round of two seconds."""
    return (-8.0 + 2.0 * (k % 5), "") if k % 10 < 5 else (-8.0, "Shop")


def corner(k: int) -> tuple[float, str]:
    return -50.0, ""


def test_a_loop_is_said_once_told_again_and_over_with_the_time_that_it_cost() -> None:
    played = Played()
    played.play(10.0, onwards)
    assert played.watch.status()["games"][0] == {"now": None, "found": 0, "lost_s": 0.0, "watched_s": 9.8}
    played.play(64.0, shop)
    (kind, text, payload), now = played.events[0], played.now
    assert (kind, len(played.events)) == ("loop", 1) and "game is in a loop: the player was " in text
    assert payload["nodes"] == 6 and payload["times"] == 1 and payload["repeats"] >= 9
    assert now is not None and now["lost_s"] == pytest.approx(64.0, abs=ANEW_S + 4.0)
    assert len(played.told) == 3 and played.told[0].startswith("the player was ")
    played.play(2.0, lambda k: (100.0 + 2.0 * k, ""))
    kind, text, payload = played.events[1]
    assert kind == "loop_over" and payload["lost_s"] == pytest.approx(64.0, abs=4.0) and played.now is None
    shown = played.watch.status()["games"][0]
    assert shown["found"] == 1 and shown["lost_s"] == payload["lost_s"] and shown["watched_s"] == pytest.approx(75.8)
    played.play(30.0, shop)
    assert played.events[2][2]["times"] == 2 and "found 2 times" in played.events[2][1]


def test_a_corner_is_a_loop_for_who_acts_in_it_and_a_reward_or_an_end_breaks_it() -> None:
    waiting, acting, paid, ended = Played(), Played(), Played(), Played()
    for played in (waiting, acting, paid, ended):
        played.play(2.0, onwards)
    waiting.play(40.0, corner, NEUTRAL)
    acting.play(40.0, corner)
    for _ in range(4):
        paid.play(10.0, corner)
        paid.play(0.2, corner, reward=1.0)
        ended.play(10.0, corner)
        ended.play(0.2, corner, is_last=True)
    assert [len(played.events) for played in (waiting, acting, paid, ended)] == [0, 1, 0, 0]
    assert acting.events[0][1].endswith("at x -49, z 1 at level 1, whatever the player did")


def test_a_game_that_went_away_ends_its_loop() -> None:
    played = Played()
    played.play(2.0, onwards)
    played.play(30.0, corner)
    played.feed.on_down("gone")
    assert played.now is not None
    played.feed.on_up()
    played.play(0.2, corner)
    assert [kind for kind, _, _ in played.events] == ["loop", "loop_over"] and played.now is None


def test_a_loop_reaches_the_planner_of_a_session_in_real_time_and_other_sessions_have_none() -> None:
    options = SessionOptions(
        endpoints=(Endpoint("127.0.0.1", 9),), names=("game",), http_port=None,
        planning=Planning(goal=parse_goal("take the bow"), llm=LlmConfig("builtin")),
    )  # fmt: skip

    async def parts(**changes: Any) -> tuple[list[Loops], Any]:
        made = build_session(replace(options, **changes), Kiter(), SystemClock())
        for closed in (*made.parts, *made.lanes):
            closed.close()
        return [part for part in made.parts if isinstance(part, Loops)], made

    (found,), made = asyncio.run(parts())
    assert found.watch in made.actor._watchers and found.key in made.status.built()
    found.watch._tell(0, "the player was 4 times in Shop")
    planner = next(part for part in made.parts if part.name == "planner").planner
    assert planner.minds[0].event == "in a loop: the player was 4 times in Shop"
    assert asyncio.run(parts(planning=None))[0] and asyncio.run(parts(real_time=False))[0] == []
