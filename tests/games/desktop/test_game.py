"""One real game under Xvfb: its settings are found by pictures alone, from an empty home."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from agent.planning.screen.reader import reading_child
from tools.bench.menus.desktop import TABLE, DesktopTable, empty_home, screen, visit

GAME = "minetest"


@pytest.mark.requires("Xvfb", "openbox", GAME)
def test_settings_of_a_game_that_nobody_here_made(tmp_path: Path) -> None:
    goals = msgspec.toml.decode(TABLE.read_text(encoding="utf-8"), type=DesktopTable).games[GAME]
    goal = next(g for g in goals if g.name == "settings")
    caller = reading_child()
    try:
        with screen(), empty_home():
            found = asyncio.run(visit(GAME, goal, tmp_path / "screens.json", caller, tmp_path / "pictures"))
    finally:
        caller.close()

    assert found["ok"] and found["outcome"] == "reached", found
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir())[-2:] == ["01.jpg", "end.jpg"]
