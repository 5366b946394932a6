"""A person steers by the page, in a real browser: takes over with keys and a gamepad, sets goals, saves clips."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import psutil
import pytest

from agent.core.types import HUMAN, Action
from agent.http.live.stream import HOLD_S
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, PacketRecord
from agent.link.wire import ActionDecoder
from agent.planning.part import SystemTwo
from agent.session.clips.maker import MadeClip
from agent.session.human import takeover
from agent.session.recording import RecordSession
from tests.http.page.browsed import Browsed, Shared, opened
from tools.page.goals import type_goal

pytestmark = [pytest.mark.slow, pytest.mark.requires("chromium")]
TIMES = 20
WALK = (0.0, 1.0)
"""What W and the left stick pushed ahead are."""
FIRST_S = 0.1
"""So much of each takeover must be in the recording."""
PAD = """
window.pad = { connected: true, index: 1, mapping: 'standard', axes: [0, 0, 0, 0],
  buttons: Array.from({ length: 17 }, () => ({ pressed: false, value: 0 })) };
navigator.getGamepads = () => [null, window.pad, null, null];
"""
READY = "document.querySelector('#takeover').getAttribute('aria-disabled') === 'false'"
PLAYED = """
(async () => {
  const video = document.querySelector('#clips video');
  await new Promise((done) => { if (video.readyState >= 1) done(); else video.onloadedmetadata = done; });
  video.currentTime = Math.max(0, video.duration - 1);
  await video.play();
  await new Promise((done) => setTimeout(done, 400));
  return [video.duration, video.currentTime, video.videoWidth, video.error === null];
})()
"""


class Heard(NamedTuple):
    """A message of the page: when it was heard, how many packets had been sent until then, and what it asks for."""

    at_s: float
    sequence: int
    action: Action


class Ears:
    """Hears what the page asks of a game, while the block runs."""

    def __init__(self, both: Browsed) -> None:
        self.heard: list[Heard] = []
        self._arena, self._human = both.played.arena, both.played.session.feeds[0].human
        self._press = self._human.press

    def __enter__(self) -> list[Heard]:
        def press(action: Action, now_s: float, hold_s: float = 0.5) -> None:
            self.heard.append(Heard(now_s, self._arena.sequence, action))
            self._press(action, now_s, hold_s)

        self._human.press = press  # type: ignore[method-assign]
        return self.heard

    def __exit__(self, *_: object) -> None:
        self._human.press = self._press  # type: ignore[method-assign]


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)


async def by_keys(both: Browsed, begin: bool) -> None:
    """Take over and walk; or let go of the key and give back."""
    if begin:
        await both.tab.key(" ", "Space")
        await both.tab.key("w", up=False)
    else:
        await both.tab.key("w", down=False)
        await both.tab.key(" ", "Space")


async def by_gamepad(both: Browsed, begin: bool) -> None:
    """The same with Start and the left stick."""
    held = "document.querySelector('#takeover').getAttribute('aria-pressed')"
    await both.tab.run(f"pad.axes[1] = {-1 if begin else 0}; pad.buttons[9].pressed = true; 0")
    await both.tab.until(f"{held} === '{str(begin).lower()}'")
    await both.tab.run("pad.buttons[9].pressed = false; new Promise((done) => setTimeout(done, 120))")


def test_twenty_takeovers_act_on_the_next_tick_and_begin_in_the_recording(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "TAKEOVER_S", 0.15)  # the policy plays again sooner
    took: list[tuple[list[Heard], list[Action]]] = []

    async def work(both: Browsed) -> None:
        arena, human = both.played.arena, both.played.session.feeds[0].human
        await opened(both)
        await both.tab.run(PAD + "0")
        await both.tab.until(READY)
        for _ in range(3 * TIMES):
            press: Callable[[Browsed, bool], Awaitable[None]] = by_keys if len(took) % 2 else by_gamepad
            with Ears(both) as heard:
                before = len(arena.actions)
                await press(both, True)
                await until(lambda: any(each.action.move == WALK for each in heard))
                await asyncio.sleep(FIRST_S + 0.05)
                if not stood_still(heard, both.played.session.clock.now_s()):
                    took.append((list(heard), [action for _, action in arena.actions[before:]]))
                await press(both, False)
            await until(lambda: not human.is_on(both.played.session.clock.now_s()))
            if len(took) == TIMES:
                break

    shared.run(work)
    late = []
    for heard, sent in took:
        first = next(each for each in heard if each.action.move == WALK)
        after = [action for action in sent if (action.answers or 0) > first.sequence]
        if not after or after[0].move != WALK:
            late.append((first, after[:3], [each.at_s - first.at_s for each in heard]))
    assert len(took) == TIMES and late == [], "the packet after the message was answered without it"
    sent_s, recorded = shared.both.played.arena.sent_s, recorded_of_people(shared)
    for heard, sent in took:
        began_s = heard[0].at_s
        begun = {a.answers for a in sent if a.answers is not None and 0.0 < sent_s[a.answers] - began_s <= FIRST_S}
        assert begun and begun <= recorded, "a takeover's beginning is not recorded"


def stood_still(heard: list[Heard], now_s: float) -> bool:
    """True where the browser said nothing for so long that its keys were let go of: others work on this machine."""
    times_s = [*(each.at_s for each in heard), now_s]
    return max(b - a for a, b in zip(times_s, times_s[1:], strict=False)) > HOLD_S - 0.03


def recorded_of_people(shared: Shared) -> set[int | None]:
    """The packets that a person's action answered, as the disk has them."""
    journal, found = shared.both.played.session.part(RecordSession).journal, set[int | None]()
    assert journal.turn(), "what was recorded is on the disk"
    for item in records_of(journal.folder):
        if isinstance(item.record, DecisionRecord) and item.record.owner == HUMAN:
            found |= {
                action.answers for action in ActionDecoder().feed(item.record.action) if isinstance(action, Action)
            }
    return found


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_a_connection_that_is_lost_holds_no_key_for_a_quarter_of_a_second(shared: Shared, how: str) -> None:
    async def work(both: Browsed) -> None:
        tab, arena = both.tab, both.played.arena
        await opened(both)
        await tab.until(READY)
        with Ears(both) as heard:
            await by_keys(both, True)
            await until(lambda: any(action.move == WALK for _, action in arena.actions[-3:]))
            if how == "closed":
                await tab.call("Page.navigate", url="about:blank")
            else:
                stop(tab.processes(), signal.SIGSTOP)
            try:
                await asyncio.sleep(0.6)
                last = heard[-1]
                let_go_s = last.at_s + 0.25 - 1 / 30  # the answer to a packet goes out before the next packet
                late = [
                    action for _, action in arena.actions
                    if action.answers is not None and arena.sent_s.get(action.answers, 0.0) > let_go_s
                ]  # fmt: skip
                assert len(late) > 5 and all(action.move == (0.0, 0.0) for action in late), "a key is held"
            finally:
                stop(tab.processes(), signal.SIGCONT)
        await opened(both)

    shared.run(work)


def stop(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        os.kill(process.pid, number)


def test_a_goal_that_is_typed_changes_plan_and_subgoal_which_a_person_pins_and_skips(shared: Shared) -> None:
    async def work(both: Browsed) -> None:
        tab, planner = both.tab, both.played.session.part(SystemTwo).planner
        await opened(both)
        numbers = [planner.minds[0].plan.number if planner.minds[0].plan is not None else 0]
        await type_goal(tab, "open 2 chests")
        await tab.until("document.querySelector('#p2 .headline').textContent.startsWith('open(chest')")
        plan = planner.minds[0].plan
        assert planner.goal.text == "open 2 chests" and plan is not None and plan.number > numbers[0]
        await tab.run("document.activeElement.blur()")
        await tab.key("p")
        await tab.until("!document.querySelector('#pinned').hidden")
        await tab.key("n")
        await tab.until("document.querySelector('#history').textContent.includes('a person skipped open(chest')")

    shared.run(work)


def test_clips_end_at_the_key_last_as_long_as_asked_do_not_overlap_and_play(shared: Shared) -> None:
    async def work(both: Browsed) -> None:
        tab, session = both.tab, both.played.session
        clock, clips = session.clock, session.part(RecordSession).clips
        assert clips is not None
        await opened(both)
        await tab.until(READY)
        pictured_s = both.played.arena.sent_s[3]  # the first picture
        await asyncio.sleep(max(0.0, pictured_s + 30.5 - clock.now_s()))
        made: list[tuple[float, MadeClip]] = []
        for no_overlap in (False, True):
            await tab.run(f"document.querySelector('#after-last').checked = {str(no_overlap).lower()}; 0")
            key_s = clock.now_s()
            await tab.key("s")
            await until(lambda: clips.made == len(made) + 1)
            assert clips.last is not None
            made.append((key_s, clips.last))
            await asyncio.sleep(1.2 - (clock.now_s() - key_s))
        for key_s, clip in made:
            newest_s = max(
                item.record.received_at_s for item in records_of(clip.folder) if isinstance(item.record, PacketRecord)
            )
            assert newest_s >= key_s - 0.1 and clip.to_s >= key_s, "it ends before the key"
        (_, first), (_, second) = made
        assert abs(first.to_s - first.from_s - 30.0) <= 0.25
        assert second.from_s == first.to_s and second.folder != first.folder
        await tab.until("document.querySelectorAll('#clips video').length >= 2")
        for number, clip in ((0, second), (1, first)):
            script = PLAYED.replace("querySelector('#clips video')", f"querySelectorAll('#clips video')[{number}]")
            duration_s, at_s, width, is_sound = await tab.run(script)
            asked_s = clip.to_s - clip.from_s
            assert abs(duration_s - asked_s) <= 0.25 and at_s > duration_s - 0.9 and width == 320 and is_sound

    shared.run(work)
