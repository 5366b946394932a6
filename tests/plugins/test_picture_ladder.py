"""Each way of taking pictures, forced in the fake game; one that ends the game is left out at the next start."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.settings import LinkSettings, Settings
from agent.core.types import NEUTRAL, Packet
from agent.link.imaging import decode_frame
from agent.link.research import ResearchAddress, ResearchLink
from agent.setup.doctor import check_game
from tests.link.game_side import Recorder
from tests.plugins.host import Client, PluginHost, free_port
from tests.plugins.test_small_in_fake_game import wait_for_log
from tools.scripts.csharp import Toolchain

MARKER = "com.metabonk.bonklink.picture-probe-gpu-readback"
FAILS = ("Fake.Readback", "fails")


@pytest.mark.parametrize(
    ("written", "source"),
    [((), "gpu-readback"), (FAILS, "read-pixels"), ((*FAILS, "Fake.ReadPixels", "fails"), "none")],
)
def test_the_first_way_that_works_is_used_and_named(
    toolchain: Toolchain, built: Path, tmp_path: Path, written: tuple[str, ...], source: str
) -> None:
    arguments = ("BonkLink", str(tmp_path), "Network.Port", free_port(), *written)
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game, Client(game.port) as client:
        packets = [client.packet() for _ in range(20)]
        frames = [p.frame for p in packets if p.frame]
        assert {p.state.run.picture_source for p in packets if p.state.run} == {source}
        assert f"info: pictures: {source}" in game.ask()["log"] and not list(tmp_path.glob("*probe*"))
        assert game.ask()["textures"] == 0 if source != "gpu-readback" else game.ask()["textures"] <= 1
        settings = Settings(link=LinkSettings(port=game.port))
        assert [f.what for f in asyncio.run(check_game(settings))][1:] == [f"pictures: {source}"]
    assert bool(frames) == (source != "none")
    for frame in frames[:1]:
        pixels = decode_frame(frame, True)
        assert np.abs(pixels[40, 40].astype(int) - (200, 0, 0)).max() <= 10


@pytest.mark.parametrize("moment", ["an agent drives", "the run is over"])
def test_a_game_that_shows_no_main_menu_tries_when_no_human_s_run_is_lost(
    toolchain: Toolchain, built: Path, tmp_path: Path, moment: str
) -> None:
    arguments = ("BonkLink", str(tmp_path), "Network.Port", free_port(), "Fake.StartsInRun", "true")
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game, Client(game.port) as client:
        packets = [client.packet() for _ in range(30)]
        assert not any(p.frame for p in packets) and {p.state.run.picture_source for p in packets if p.state.run} == {
            None
        }
        if moment == "an agent drives":
            wait_for_log(game, "pictures: none yet, no way was tried")
            client.send(NEUTRAL)
        else:
            game.set(isGameOver=True)
        run = client.frame().state.run
        assert run is not None and run.picture_source == "gpu-readback"


@pytest.mark.parametrize(
    ("written", "source"),
    [((), "gpu-readback"), (FAILS, "read-pixels"), ((*FAILS, "Fake.ReadPixels", "fails"), "none"),
     (("Fake.StartsInRun", "true"), "gpu-readback")],
)  # fmt: skip
def test_lock_step_uses_and_names_the_first_way_that_works(
    toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: tuple[str, ...],
    source: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))

    async def first_packet() -> Packet:
        seen = Recorder()
        link = ResearchLink(ResearchAddress(0, str(tmp_path)), seen, SystemClock())
        running = asyncio.create_task(link.run())
        async with asyncio.timeout(60):
            while not seen.packets:
                await asyncio.sleep(0.01)
        running.cancel()
        return seen.packets[0]

    arguments = ("ResearchPlugin", str(tmp_path), *written)
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game:
        packet = asyncio.run(first_packet())
        assert packet.state.run is not None and packet.state.run.picture_source == source
        assert f"info: pictures: {source}" in game.ask()["log"] and not list(tmp_path.glob("*probe*"))
        assert game.ask()["textures"] == 0
    pixels = decode_frame(packet.frame, True)
    expected = (0, 0, 0) if source == "none" else (200, 0, 0)
    assert np.abs(pixels[20, 20].astype(int) - expected).max() == 0


def test_lock_step_leaves_out_a_way_that_ended_the_game(
    toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))
    arguments = ("ResearchPlugin", str(tmp_path), "Fake.Readback", "crashes")
    command = [str(toolchain.dotnet), "exec", str(built / "stubs/fakegame.dll"), *arguments]
    done = subprocess.run(command, env=toolchain.environment(), input="", capture_output=True, timeout=240)
    marker = tmp_path / "com.megabonk.research.picture-probe-gpu-readback"
    assert done.returncode == 139 and marker.exists()
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game:
        assert "info: pictures: read-pixels" in game.ask()["log"]


def test_a_way_that_ended_the_game_is_left_out_at_the_next_start(
    toolchain: Toolchain, built: Path, tmp_path: Path
) -> None:
    arguments = ("BonkLink", str(tmp_path), "Network.Port", free_port(), "Fake.Readback", "crashes")
    command = [str(toolchain.dotnet), "exec", str(built / "stubs/fakegame.dll"), *arguments]
    done = subprocess.run(command, env=toolchain.environment(), input="", capture_output=True, timeout=240)
    assert done.returncode == 139 and (tmp_path / MARKER).exists()
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game, Client(game.port) as client:
        run = client.frame().state.run
        assert run is not None and run.picture_source == "read-pixels"
        assert any("gpu-readback is left out" in line and MARKER in line for line in game.ask()["log"])
    assert (tmp_path / MARKER).exists()
