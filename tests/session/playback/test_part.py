"""The session ends when the recordings of all games are over, and says that actions go nowhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.core.clock import VirtualClock
from agent.link.recorded import RecordedAddress
from agent.session.playback.link import PlaybackLink
from agent.session.playback.part import Playback
from tests.session.playback.test_link import Heard
from tests.session.playback.test_tape import taped


def test_the_end_is_that_of_every_game() -> None:
    async def main() -> None:
        clock, over = VirtualClock(), list[bool]()
        links = [PlaybackLink(RecordedAddress(Path("a"), i), Heard(clock), clock) for i in range(2)]
        task = asyncio.ensure_future(Playback(links, lambda: over.append(True)).run())
        links[1].ended.set()
        await asyncio.sleep(0.01)
        assert not over
        links[0].ended.set()
        await asyncio.wait_for(task, 60)
        assert over == [True]

    asyncio.run(main())


def test_a_policy_plays_a_recording(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder, path = taped(tmp_path / "a"), tmp_path / "r.json"
    words = ["play", "--game", f"replay:{folder}", "--policy", "kiter", "--fast", "--no-http", "--report", str(path)]
    assert run(words) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["ended_by"] == "recording" and report["game"] == f"replay:{folder}"
    assert report["playback"]["actions_go"] == "nowhere: the game is a recording"
    assert [game["name"] for game in report["games"]] == ["one", "two"]
    assert [game["link"]["acted"] for game in report["games"]] == [30, 30]
    assert run(["play", "--game", f"replay:{folder}", "--games", "3", "--no-http"]) == 2
    assert "--games 3: the recording has 2" in capfd.readouterr().err
    assert run(["play", "--game", "replay:/no/such", "--no-http"]) == 2
    assert "no recording" in capfd.readouterr().err
    assert run(["play", "--game", "arena", "--fast"]) == 2
    assert "--fast needs a recording" in capfd.readouterr().err
