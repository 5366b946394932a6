"""A session that plays and a browser that shows it, shared by all tests of this folder: starting both takes seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from tools.page.browser import Tab, browsing
from tools.page.played import ArenaSide, Played, playing


class Browsed(msgspec.Struct, eq=False):
    """A session that plays, and a browser that shows it."""

    played: Played
    tab: Tab
    folder: Path


class Shared:
    """One session and one browser for all tests, on one loop, which stands still between them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._stack = folder, contextlib.AsyncExitStack()
        self._runner = asyncio.Runner()
        self.both: Browsed = self._runner.run(self._begin())

    async def _begin(self) -> Browsed:
        arena = ArenaSide(capture_px=(320, 180))
        played = await self._stack.enter_async_context(playing(self.folder / "recordings", arenas=[arena]))
        tab = await self._stack.enter_async_context(browsing(self.folder / "profile"))
        return Browsed(played, tab, self.folder)

    def run(self, work: Callable[[Browsed], Coroutine[Any, Any, None]]) -> None:
        """Run a test's work; the browser must have nothing to complain of."""
        self.both.tab.errors.clear()
        self._runner.run(work(self.both))
        assert not self.both.tab.errors

    def close(self) -> None:
        """End both."""
        self._runner.run(self._stack.aclose())
        self._runner.close()


async def opened(both: Browsed, path: str = "/") -> None:
    """Open the page by a link that works once, or another path of it, and wait for the first state."""
    await both.tab.open(both.played.address + (both.played.access.link() if path == "/" else path))
    await both.tab.until("document.documentElement.dataset.number !== undefined")
