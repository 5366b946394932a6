"""A seat says when a menu is the navigator's, and makes an armed click with a picture that is new."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.core.clock import VirtualClock
from agent.core.types import KEY_ESC, Action, Frame, GameState, Keys, Observation, Pointer
from agent.planning.menus.choose import Choice
from agent.planning.menus.goal import menu_goal
from agent.planning.menus.graph import ScreenGraph
from agent.planning.menus.mouse import click_on
from agent.planning.menus.seat import STUCK_S, Seat
from agent.planning.menus.words import Refused
from tests.core.goals.states import state
from tests.planning.menus.test_mouse import _menu
from tools.bench.menus.played import NOTHING

MAIN = state(current_menu="MainMenu", is_playing=False)


def seen(told: GameState, frame: Frame | None = None, *, by_human: bool = False) -> Observation:
    return Observation(0, told, frame, 7, 0.0, 0.0, 0.0, False, False, False, by_human=by_human)


def _seat(goal: str = "Start a run", now_s: float = 0.0) -> Seat:
    return Seat(0, "game", menu_goal(goal), Refused(), VirtualClock(now_s))


def test_with_a_goal_a_menu_is_ours_at_once_and_a_persons_never() -> None:
    seat = _seat()
    assert seat.see(seen(MAIN)) and seat.wanted.is_set() and not seat.see(seen(MAIN, by_human=True))
    assert not seat.see(seen(state())) and seat.plays and not seat.wanted.is_set()


def test_without_a_goal_it_is_ours_after_the_policy_has_been_in_it_for_long() -> None:
    seat = _seat("")
    clock: Any = seat._clock
    assert not seat.see(seen(MAIN))
    asyncio.run(clock.advance(STUCK_S + 0.1))
    results = seen(state(current_menu="Results", is_playing=False))
    assert seat.see(seen(MAIN)) and seat.see(results), "it helps up to the next run"
    seat.begin_journey(fulfilled=True)
    assert not seat.see(results)


def test_a_game_that_tells_nothing_is_ours_once_a_menu_was_seen() -> None:
    seat = _seat()
    assert not seat.see(seen(NOTHING)) and not seat.tells and seat.wanted.is_set(), "it is looked at all the same"
    seat.looked(True)
    assert seat.see(seen(NOTHING)) and not seat.plays
    seat.leaves_for_play()
    assert not seat.see(seen(NOTHING)) and seat.plays


def test_an_armed_click_is_made_once_with_a_new_picture_that_shows_the_same() -> None:
    screen, frame = _menu()
    seat, graph = _seat(), ScreenGraph("g", None)
    node = graph.locate(screen)

    async def main() -> None:
        seat.see(seen(MAIN, frame))
        arming = asyncio.ensure_future(
            seat.arm(click_on(screen.elements[0], screen), node, Choice("click", "why", key="k"), until_s=9.0)
        )
        await asyncio.sleep(0)
        acted = seat.act(seen(MAIN, frame))
        assert acted.click is not None and acted.answers == 7 and await arming == "ok"
        assert seat.act(seen(MAIN, frame)) == Action(answers=7) and seat.clicks == 1 and seat.last is not None

    asyncio.run(main())


@pytest.mark.parametrize("change", ["text", "left", "old"])
def test_an_armed_click_is_dropped_where_the_picture_or_the_menu_changed(change: str) -> None:
    screen, frame = _menu()
    seat, graph = _seat(), ScreenGraph("g", None)
    node = graph.locate(screen)

    async def main() -> str:
        seat.see(seen(MAIN, frame))
        arming = asyncio.ensure_future(
            seat.arm(click_on(screen.elements[0], screen), node, Choice("click", "why", key="k"), until_s=0.1)
        )
        await asyncio.sleep(0)
        if change == "left":
            seat.see(seen(state()))
        elif change == "text":
            assert seat.act(seen(MAIN, _menu("QUIT")[1])).click is None
        else:
            clock: Any = seat._clock
            await clock.advance(0.5)
            assert seat.act(seen(MAIN, frame)).click is None
        return await arming

    assert asyncio.run(main()) in ("changed", "old") and seat.clicks == 0 and seat.last is None


def test_back_is_cancel_where_a_game_tells_its_menus_and_escape_where_it_does_not() -> None:
    node = ScreenGraph("g", None).locate(_menu()[0])

    async def pressed(told: GameState) -> Action:
        seat = _seat()
        seat.looked(True)
        seat.see(seen(told))
        pressing = asyncio.ensure_future(seat.press(Choice("back", "why"), node))
        await asyncio.sleep(0)
        found = seat.act(seen(told))
        assert seat.act(seen(told)) == Action(answers=7)
        pressing.cancel()
        await asyncio.gather(pressing, return_exceptions=True)
        return found

    assert asyncio.run(pressed(MAIN)) == Action(ability=True, answers=7)
    assert asyncio.run(pressed(NOTHING)).desk == (Keys(((KEY_ESC, True), (KEY_ESC, False))),)


def test_after_giving_up_others_act_until_another_menu_opens() -> None:
    seat = _seat()
    seat.see(seen(MAIN))
    seat.give_up("no way")
    assert not seat.see(seen(MAIN)) and seat.status()["gave_up"] == "no way"
    assert seat.see(seen(msgspec.structs.replace(MAIN, current_menu="Results"))) and seat.status()["gave_up"] == ""


def test_a_picture_is_looked_at_again_only_when_it_changed_or_time_went_by() -> None:
    seat = _seat()
    frame = Frame(np.zeros((90, 160, 3), np.uint8), 0.0, 0.0)
    seat.see(seen(NOTHING, frame))
    assert seat.may_look(frame, settled=True) and seat.may_look(frame, settled=False)
    seat.looked(False)
    bright = Frame(np.full((90, 160, 3), 200, np.uint8), 1.0, 1.0)
    assert not seat.may_look(frame, settled=True) and seat.may_look(bright, settled=True)
    assert not seat.may_look(bright, settled=False)


def test_on_a_desktop_nobody_acts_before_a_look_and_never_where_the_goal_is_a_screen() -> None:
    told, run, screen = _seat(), _seat(), _seat("Open the settings")
    told.see(seen(MAIN))
    assert not told.holds_back
    for seat in (run, screen):
        seat.see(seen(NOTHING))
        assert seat.holds_back
        seat.looked(False)
    assert not run.holds_back and screen.holds_back
    screen.give_up("nothing leads on")
    assert not screen.holds_back


def test_on_a_desktop_the_mouse_goes_to_the_corner_after_a_click_and_the_input_is_waited_for() -> None:
    screen, frame = _menu()
    seat, graph = _seat(), ScreenGraph("g", None)
    seat.see(seen(NOTHING, frame))
    seat.looked(True)

    async def main() -> tuple[Action, Action]:
        seat.see(seen(NOTHING, frame))
        click = click_on(screen.elements[0], screen)
        arming = asyncio.ensure_future(seat.arm(click, graph.locate(screen), Choice("click", "", key="k"), until_s=9.0))
        await asyncio.sleep(0)
        first = seat.act(seen(NOTHING, frame))
        assert await arming == "ok"
        return first, seat.act(seen(NOTHING, frame))

    click, after = asyncio.run(main())
    height = frame.pixels.shape[0]
    assert click.click is not None and after.desk == (Pointer(1, height - 2),) and seat.is_busy
    clock: Any = seat._clock
    asyncio.run(clock.advance(1.0))
    seat.see(seen(msgspec.structs.replace(NOTHING, is_paused=True), frame))
    assert seat.is_busy, "the game says that it still makes the input"
    seat.see(seen(NOTHING, frame))
    assert not seat.is_busy
