"""The part refuses a goal that nothing can read for, keeps what was learned, and lets go of what it holds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from agent.concurrency.lane import Lane
from agent.core.errors import SettingsError
from agent.games.arena.game import ArenaGame
from agent.planning.menus import part as module
from agent.planning.menus.part import SAVE_EVERY_S, Menus
from tools.bench.menus.pairs import screen_of
from tools.bench.menus.played import InProcess, Played


def _part(goal: str, path: Path | None = None) -> tuple[Menus, Played]:
    played = Played(ArenaGame(capture_px=(160, 90)), goal, hidden=False, path=path, caller=InProcess())
    played.navigator._lane = Lane("menus")  # files are written as in a session, on a thread
    return Menus(played.navigator, played.clock), played


def test_a_goal_without_an_engine_is_refused_in_a_line_and_without_a_goal_play_goes_on(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "engine_there", lambda: "")
    with pytest.raises(SettingsError, match=r'METABONK_MENU_GOAL.*pip install "metabonk-apex\[menus\]"'):
        asyncio.run(_part("Start a run")[0].begin())
    asyncio.run(_part("")[0].begin())


def test_what_was_learned_is_written_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "screens.json"
    menus, played = _part("Start a run", path)

    async def main() -> None:
        running = asyncio.ensure_future(menus.run())
        played.graph.locate(screen_of(["Play"]))
        for _ in range(100):
            await played.clock.advance(SAVE_EVERY_S)
            await asyncio.sleep(0.005)
            if path.exists():
                break
        size = path.stat().st_size
        played.graph.locate(screen_of(["Options", "Credits"]))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await menus.finish()
        assert path.stat().st_size > size

    asyncio.run(main())
    menus.close()
    assert menus.status()["goal"] == "Start a run" and menus.key == "navigator"


def test_a_folder_that_takes_no_file_costs_nothing_but_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    menus, played = _part("", tmp_path / "file" / "screens.json")
    played.graph.locate(screen_of(["Play"]))
    with structlog.testing.capture_logs() as said:
        asyncio.run(menus.finish())
    menus.close()
    assert [entry["event"] for entry in said] == ["screens_not_kept"] and (tmp_path / "file").read_text() == "x"
