"""The page in a real browser: it shows what the session says, asks nobody else, and a person steers by it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.core.types import HUMAN, Action
from agent.http.part import EventsApi
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord
from agent.planning.part import SystemTwo
from agent.session.clips.maker import MadeClip
from agent.session.recording import RecordSession
from tools.page.axe import installed
from tools.page.browser import Tab, browsing
from tools.page.played import Played, playing

pytestmark = [pytest.mark.slow, pytest.mark.requires("chromium")]
SHOTS = Path(os.environ.get("METABONK_TEST_SHOTS") or "build/screenshots")
SIZES = {"wide": (1920, 1080), "laptop": (1280, 720), "phone": (390, 844)}
SAME = """
(async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const shownNumber = () => Number(document.documentElement.dataset.number);
  const at = (values, path) => path.split('.').reduce((found, part) => found?.[part] ?? null, values);
  for (let i = 0; i < 60; i++) {
    const state = await (await fetch('/api/v1/state')).json();
    for (let k = 0; k < 30 && shownNumber() < state.number; k++) await pause(10);
    if (shownNumber() !== state.number) continue;
    const all = [...document.querySelectorAll('[data-at]')].filter((element) => element.checkVisibility());
    const wrong = all.map((element) => [element.dataset.at, element.dataset.value, at(state, element.dataset.at)])
      .filter(([, value, raw]) => JSON.stringify(raw) !== value);
    return { wrong, shown: all.length };
  }
  return null;
})()
"""
HOLES = """
(() => {
  const main = document.querySelector('main').getBoundingClientRect();
  const boxes = [...document.querySelectorAll('.panel')].map((panel) => panel.getBoundingClientRect());
  const area = boxes.reduce((sum, box) => sum + box.width * box.height, 0);
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  return { share: area / (main.width * main.height), over };
})()
"""
AXE = """
axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations
  .filter((each) => ['serious', 'critical'].includes(each.impact))
  .map((each) => [each.id, each.nodes.slice(0, 4).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`)]))
"""
PLAYED = """
(async () => {
  const video = document.querySelector('#clips video');
  await video.play();
  await new Promise((done) => setTimeout(done, 400));
  return video.currentTime;
})()
"""


class Browsed(msgspec.Struct, eq=False):
    """A session that plays, and a browser that shows it."""

    played: Played
    tab: Tab
    folder: Path


class Shared:
    """One session and one browser for all tests of this file, on one loop, which stands still between them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._stack = folder, contextlib.AsyncExitStack()
        self._runner = asyncio.Runner()
        self.both: Browsed = self._runner.run(self._begin())

    async def _begin(self) -> Browsed:
        played = await self._stack.enter_async_context(playing(self.folder / "recordings"))
        tab = await self._stack.enter_async_context(browsing(self.folder / "profile"))
        return Browsed(played, tab, self.folder)

    def run(self, work: Callable[[Browsed], Coroutine[Any, Any, None]]) -> None:
        """Run a test's work; the browser must have nothing to complain of."""
        self.both.tab.errors.clear()
        self._runner.run(work(self.both))
        assert not self.both.tab.errors

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    made = Shared(tmp_path_factory.mktemp("page"))
    yield made
    made.close()


async def opened(both: Browsed, path: str = "/") -> None:
    """Open the page by a link that works once, or another path of it, and wait for the first state."""
    await both.tab.open(both.played.address + (both.played.access.link() if path == "/" else path))
    await both.tab.until("document.documentElement.dataset.number !== undefined")


def test_it_shows_what_the_session_says_asks_nobody_else_and_has_no_holes(shared: Shared) -> None:
    async def work(both: Browsed) -> None:
        tab, address = both.tab, both.played.address
        await tab.size(*SIZES["wide"])
        await opened(both)
        await tab.until("document.querySelector('#stage-note').hidden")
        useful_ms = [await first_ms(both)]
        while min(useful_ms) > 1000 and len(useful_ms) < 6:  # others may work on this machine
            await tab.open(address)
            useful_ms.append(await first_ms(both))
        assert min(useful_ms) <= 1000, f"the first values were there after {useful_ms} ms"
        print(f"first values after {useful_ms} ms")
        await tab.until("Number(document.documentElement.dataset.number) > 20 && window.metabonk.ageMs !== null")
        found = await tab.run(SAME)
        assert found is not None and found["wrong"] == [] and found["shown"] > 45, found
        port = address.rpartition(":")[2]
        hosts = {url for url in tab.requests if f"://127.0.0.1:{port}/" not in url}
        assert len(tab.requests) > 10 and not hosts
        for name, (width, height) in SIZES.items():
            for light in (False, True):
                await tab.size(width, height, light=light, phone=name == "phone")
                await asyncio.sleep(0.2)
                holes = await tab.run(HOLES)
                assert holes["share"] > 0.99 and holes["over"] <= 0, (name, holes)
                await tab.picture(SHOTS / f"{'light' if light else 'dark'}-{name}.png", whole=name == "phone")
        await tab.size(*SIZES["wide"])
        await axe(tab)

    shared.run(work)


async def first_ms(both: Browsed) -> float:
    """When the first values were painted, ms after the address was asked for."""
    await both.tab.until("performance.getEntriesByName('useful').length")
    found: float = await both.tab.run("performance.getEntriesByName('useful')[0].startTime")
    return found


async def axe(tab: Tab) -> None:
    """No serious finding of axe-core, in dark and in light."""
    script = installed()
    if script is None and not os.environ.get("CI"):
        pytest.skip("axe-core is missing: python -m tools.page.axe install")
    assert script is not None, "python tools/check.py installs axe-core"
    source = await asyncio.to_thread(script.read_text, "utf-8")
    for light in (False, True):
        await tab.size(*SIZES["laptop"], light=light)
        await tab.run(f"{source};0" if not light else "0")
        assert await tab.run(AXE) == []


def test_names_of_a_hostile_game_are_text_and_nothing_else(shared: Shared) -> None:
    evil = '<img src=x onerror="window.evil=1">{{7*7}}</script><script>window.evil=1</script>'

    async def work(both: Browsed) -> None:
        arena, tab = both.played.arena, both.tab
        arena.change = lambda state: msgspec.structs.replace(state, current_menu=evil, level_up_options=(evil, evil))
        both.played.session.feeds[0].name = evil
        for kind in ("subgoal", evil):
            both.played.session.supervisor.parked[evil] = evil
            both.played.session.part(EventsApi).events.add(kind, evil, {evil: evil})
        await opened(both)
        await tab.until("document.querySelector('#p5 .headline').textContent.includes('onerror')")
        await tab.until("document.querySelector('#options').children.length === 2")
        await asyncio.sleep(0.5)
        assert await tab.run(
            "window.evil === undefined && document.querySelectorAll('main img, main script').length === 0"
        )
        assert await tab.run("document.querySelector('#memory-facts').textContent.includes('onerror')")
        await opened(both, "/overlay?show=owner,goal,plan,q,stats,radar")
        assert await tab.run("window.evil === undefined && document.querySelectorAll('img').length === 0")
        arena.change = lambda state: state
        both.played.session.supervisor.parked.clear()

    shared.run(work)


def test_a_person_takes_over_steers_and_saves_from_the_page(shared: Shared) -> None:
    async def work(both: Browsed) -> None:
        tab, arena, session = both.tab, both.played.arena, both.played.session
        await opened(both, "/")
        await tab.until("document.querySelector('#takeover').getAttribute('aria-disabled') === 'false'")
        await takeovers(both)
        await tab.key("g")
        await tab.run("document.querySelector('#goal').value = 'open 2 chests'")
        await tab.key("Enter", "Enter")
        await tab.call("Input.dispatchKeyEvent", type="char", text="\r")
        await tab.until("document.querySelector('.goal-line b').textContent === 'open 2 chests'")
        await tab.until("document.querySelector('.headline').textContent.startsWith('open(chest')")
        planner = session.part(SystemTwo).planner
        assert planner.goal.text == "open 2 chests" and planner.minds[0].plan is not None
        await tab.run("document.activeElement.blur()")
        await tab.key("p")
        await tab.until("!document.querySelector('#pinned').hidden")
        await tab.key("n")
        await tab.until("document.querySelector('#history').textContent.includes('a person skipped open(chest')")
        await two_clips(both)
        assert arena.sequence > 0

    shared.run(work)
    journal = shared.both.played.session.part(RecordSession).journal
    assert journal.turn(), "what was recorded is on the disk"
    records = [item.record for item in records_of(journal.folder)]
    owners = [record.owner for record in records if isinstance(record, DecisionRecord)]
    assert sum(b == HUMAN != a for a, b in zip(owners, owners[1:], strict=False)) >= 4


async def takeovers(both: Browsed) -> None:
    """Each press acts on the next tick after its message; a page that goes away lets go at once."""
    tab, arena, feed = both.tab, both.played.arena, both.played.session.feeds[0]
    late: list[Action] = []
    pressed: list[int] = []
    answered = 0
    press = feed.human.press

    def heard(action: Any, now_s: float, hold_s: float = 0.5) -> None:
        if any(action.move):
            pressed.append(arena.sequence)
        press(action, now_s, hold_s)

    feed.human.press = heard  # type: ignore[method-assign]
    for k in range(5):
        pressed.clear()
        before = len(arena.actions)
        await tab.key(" ", "Space")
        await tab.key("w", up=False)
        async with asyncio.timeout(60):
            while not any(action.move == (0.0, 1.0) for _, action in arena.actions[before:]):
                await asyncio.sleep(0.005)
        told = [action for _, action in arena.actions[before:] if (action.answers or 0) > pressed[0]]
        answered += len(told)
        late += [action for action in told if action.move != (0.0, 1.0)]
        if k < 4:
            await tab.key("w", down=False)
            await tab.key(" ", "Space")
            await asyncio.sleep(1.3)
    assert answered and late == [], "a packet that came after the message was answered without it"
    loop = asyncio.get_running_loop()
    gone_s, before = loop.time(), len(arena.actions)
    await tab.call("Page.navigate", url="about:blank")
    async with asyncio.timeout(60):
        while not any(action.move == (0.0, 0.0) for _, action in arena.actions[before:]):
            await asyncio.sleep(0.005)
    assert loop.time() - gone_s < 0.25 + 0.15, "the page went away with a key held"
    feed.human.press = press  # type: ignore[method-assign]
    await opened(both)
    await tab.until("document.querySelector('#takeover').getAttribute('aria-disabled') === 'false'")


async def two_clips(both: Browsed) -> None:
    """Two clips in a row: the second begins where the first ended; the video plays."""
    tab, clips = both.tab, both.played.session.part(RecordSession).clips
    assert clips is not None

    def made() -> MadeClip:
        assert clips.last is not None
        return clips.last

    await tab.run("document.querySelector('#after-last').checked = true")
    await tab.run("document.querySelector('[data-clip=\"10\"]').click()")
    await tab.until("document.querySelector('#clip-note').textContent.startsWith('Saved')")
    first = made()
    await asyncio.sleep(1.0)
    await tab.run("document.querySelector('#clip-note').textContent = ''")
    await tab.key("s")
    await tab.until("document.querySelector('#clip-note').textContent.startsWith('Saved')")
    second = made()
    assert second.from_s == first.to_s and second.folder != first.folder and second.to_s - second.from_s < 10.0
    await tab.until("[...document.querySelectorAll('#clips video')].some(v => v.readyState >= 1)")
    played = await tab.run(PLAYED)
    assert played > 0.1
