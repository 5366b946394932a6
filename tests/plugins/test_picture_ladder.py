"""Each way of taking pictures, forced in the fake game; one that ends the game is left out at the next start."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import numpy as np
import pytest

from agent.core.settings import LinkSettings, Settings
from agent.link.imaging import decode_frame
from agent.setup.doctor import check_game
from tests.plugins.host import Client, PluginHost, free_port
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
