"""The page in a real browser: it shows what the session says, asks nobody else, and a person steers by it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.http.live.state import LiveState, State
from agent.http.part import EventsApi
from tests.http.page.browsed import Browsed, Shared, opened
from tools.page import checks
from tools.page.axe import installed

pytestmark = [pytest.mark.slow, pytest.mark.requires("chromium")]
SHOTS = Path(os.environ.get("METABONK_TEST_SHOTS") or "build/screenshots")
SIZES = {"wide": (1920, 1080), "laptop": (1280, 720), "phone": (390, 844)}


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
        found = await tab.run(checks.SAME)
        assert found is not None and found["wrong"] == [] and found["shown"] > 45, found
        port = address.rpartition(":")[2]
        hosts = {url for url in tab.requests if f"://127.0.0.1:{port}/" not in url}
        assert len(tab.requests) > 10 and not hosts
        for name, (width, height) in SIZES.items():
            for light in (False, True):
                await tab.size(width, height, light=light, phone=name == "phone")
                await asyncio.sleep(0.2)
                assert await checks.holes(tab) == [], (name, light)
                await tab.picture(SHOTS / f"{'light' if light else 'dark'}-{name}.png", whole=name == "phone")
        await tab.size(*SIZES["wide"])

    shared.run(work)


def test_everybody_can_use_it_also_without_a_mouse(shared: Shared) -> None:
    if installed() is None and not os.environ.get("CI"):
        pytest.skip("axe-core is missing: python -m tools.page.axe install")

    async def work(both: Browsed) -> None:
        tab = both.tab
        await opened(both)
        for name, light in (("laptop", False), ("laptop", True), ("phone", True)):
            await tab.size(*SIZES[name], light=light, phone=name == "phone")
            assert await checks.axe(tab) == [], (name, light)
        await tab.size(*SIZES["wide"])
        assert await checks.unreachable(tab) == []
        await tab.key("?")
        await tab.until("document.querySelector('#help').open")
        assert await checks.axe(tab) == []
        await tab.key("Escape", "Escape")

    shared.run(work)


async def first_ms(both: Browsed) -> float:
    """When the first values were painted, ms after the address was asked for."""
    await both.tab.until("performance.getEntriesByName('useful').length")
    found: float = await both.tab.run("performance.getEntriesByName('useful')[0].startTime")
    return found


EVIL = '<img src=x onerror="window.evil=1">{{7*7}}</script><script>window.evil=1</script>'
LISTS = """
window.evilFetch = window.fetch;
const told = {
  '/api/v1/clips': { clips: [{ id: EVIL, video: false, seconds: 3 }] },
  '/api/v1/recordings': { recordings: [{ id: EVIL, game: EVIL, policy: EVIL, bytes: 1, error: '', is_live: true }] },
};
window.fetch = async (path, ...more) => (
  told[path] ? { ok: true, json: async () => told[path] } : window.evilFetch(path, ...more));
Promise.all([metabonk.steer.clips(), metabonk.steer.recordings()]).then(() => { window.fetch = window.evilFetch; })
"""


def hostile(value: Any) -> Any:
    """The same values, every text of them with markup at its end, and a hostile name among those of numbers."""
    if isinstance(value, str):
        return value + EVIL if value not in ("up", "") else value
    if isinstance(value, list | tuple):
        return [hostile(each) for each in value]
    if isinstance(value, dict):
        found = {key: hostile(each) for key, each in value.items()}
        return found | ({EVIL: 1.0} if found and all(type(v) is float for v in found.values()) else {})
    return value


def test_names_of_a_hostile_game_are_text_and_nothing_else(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = (
        "window.evil === undefined && !document.querySelector('main img, main script, header img, header script')"
    )

    async def work(both: Browsed) -> None:
        arena, tab, session = both.played.arena, both.tab, both.played.session
        arena.change = lambda state: msgspec.structs.replace(state, current_menu=EVIL, level_up_options=(EVIL, EVIL))
        session.feeds[0].name = session.supervisor.parked[EVIL] = EVIL
        session.part(EventsApi).events.add(EVIL, EVIL, {EVIL: EVIL})
        await opened(both)
        await tab.until("document.querySelector('#p5 .headline').textContent.includes('onerror')")
        await tab.until("document.querySelector('#options').children.length === 2")
        assert await tab.run(harmless)
        await tab.until("document.querySelector('#memory-facts').textContent.includes('onerror')")
        make = LiveState._make

        async def evil(states: LiveState) -> State:
            return State(hostile((await make(states)).values))

        monkeypatch.setattr(LiveState, "_make", evil)
        for path in ("/overlay?show=owner,goal,plan,q,stats,radar", "/"):
            await opened(both, path)
            await tab.until(
                "document.querySelector('.goal-line b, [data-part=goal] b').textContent.includes('onerror')"
            )
            assert await tab.run(harmless)
        await tab.run(LISTS.replace("EVIL", json.dumps(EVIL)))
        first = "document.querySelector('#scalar-list button')"
        await tab.run(
            "const s = document.querySelector('#search'); s.value = 'onerror'; s.dispatchEvent(new Event('input'))"
        )
        await tab.until(f"{first}?.textContent.includes('onerror')")
        await tab.run(f"{first}.click()")
        await tab.until("[...document.querySelectorAll('.u-label')].some((e) => e.textContent.includes('onerror'))")
        shown = "[...document.querySelectorAll('main *, header *')].filter((e) => !e.children.length && e.textContent"
        assert await tab.run(f"{shown}.includes('onerror')).length") > 25
        assert await tab.run(harmless)
        arena.change = lambda state: state
        session.supervisor.parked.clear()

    shared.run(work)
