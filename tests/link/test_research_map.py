"""The map of lock-step: its address, its sizes, and whether the game behind it runs."""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path

import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import LinkClosed, LinkRefused, SettingsError
from agent.link.research_map import DEAD_S, YOUNG_S, GameWatch, ResearchAddress, ResearchMap, parse_research

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="maps that are files, on POSIX")
BYTES = 0x20 + 4 * 4 * 3 + 24


def opened(folder: Path, pulse: bytes = b"") -> ResearchMap:
    """A map of 4 × 4 px whose game wrote `pulse` behind its status."""
    (folder / "megabonk_env_0").write_bytes(bytes(BYTES))
    (folder / "megabonk_env_0_beat").write_bytes(bytes(8) + pulse)
    return ResearchMap(ResearchAddress(0, str(folder), (4, 4)))


def beat(folder: Path, epoch: int, beats: int) -> None:
    with (folder / "megabonk_env_0_beat").open("r+b") as file:
        file.write(struct.pack("<IiII", 0, 1, epoch, beats))


def test_addresses_are_read_with_the_plugins_environment() -> None:
    environ = {"MEGABONK_RESEARCH_SHM_DIR": "/x", "MEGABONK_OBS_WIDTH": "64", "MEGABONK_INSTANCE_ID": "5"}
    assert parse_research("research://", environ) == ResearchAddress(5, "/x", (64, 84))
    assert parse_research("research://2", environ).numbered(1) == ResearchAddress(3, "/x", (64, 84))
    for text, env in (("research://a", {}), ("research://0", {"MEGABONK_OBS_WIDTH": "-1"})):
        with pytest.raises(SettingsError):
            parse_research(text, env)


def test_a_map_whose_game_has_just_made_its_file_is_not_broken_but_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "megabonk_env_0").write_bytes(b"")
    with pytest.raises(LinkRefused, match="the game begins"):
        ResearchMap(ResearchAddress(0, str(tmp_path), (4, 4)))


def test_a_game_is_known_by_its_heartbeat_and_dead_without_it(tmp_path: Path) -> None:
    shared, clock = opened(tmp_path, struct.pack("<II", 7, 3)), VirtualClock()
    watch = GameWatch(shared, clock)
    assert shared.pulse() == (7, 3) and not watch.is_known
    asyncio.run(clock.advance(1.0))
    assert watch.look() == 1.0 and not watch.is_known, "a map that a killed game left"
    beat(tmp_path, 7, 4)
    assert watch.look() == 0.0 and watch.is_known
    asyncio.run(clock.advance(DEAD_S))
    watch.check()
    asyncio.run(clock.advance(0.1))
    with pytest.raises(LinkClosed, match="has died; no heartbeat for 3.1 s"):
        watch.check()
    beat(tmp_path, 8, 5)
    with pytest.raises(LinkClosed, match="started anew"):
        watch.check()
    assert not watch.is_same
    shared.close()


@pytest.mark.parametrize("pulse", [b"", bytes(8)], ids=["short map", "no epoch"])
def test_a_plugin_without_an_epoch_is_taken_for_running(tmp_path: Path, pulse: bytes) -> None:
    shared, clock = opened(tmp_path, pulse), VirtualClock()
    watch = GameWatch(shared, clock)
    asyncio.run(clock.advance(YOUNG_S))
    watch.check()
    assert watch.is_known
    asyncio.run(clock.advance(1000.0))
    watch.check()
    shared.close()


def test_a_game_that_has_not_written_its_epoch_yet_is_not_taken_for_one_without(tmp_path: Path) -> None:
    shared, clock = opened(tmp_path, bytes(8)), VirtualClock()
    watch = GameWatch(shared, clock)
    assert watch.look() == 0.0 and not watch.is_known
    beat(tmp_path, 7, 1)
    asyncio.run(clock.advance(2 * YOUNG_S))
    watch.look()
    assert not watch.is_known and not watch.is_same, "its client opens the map again, before it asks for anything"
    shared.close()
