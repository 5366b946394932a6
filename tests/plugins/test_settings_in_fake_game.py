"""The plugin follows its configuration file while the game runs; what cannot change in a run is named."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from agent.link.imaging import decode_frame
from tests.plugins.host import Client, PluginHost, free_port
from tests.plugins.test_small_in_fake_game import wait_for_log
from tools.scripts.csharp import Toolchain


@pytest.fixture
def game(toolchain: Toolchain, built: Path, tmp_path: Path) -> Iterator[PluginHost]:
    chosen = {"Performance.UpdateHz": "4", "Capture.JpegHz": "20", "Capture.EnableInputSnapshot": "False"}
    written = ("Network.Port", free_port(), *(part for pair in chosen.items() for part in pair))
    with PluginHost(toolchain, built, "BonkLink", str(tmp_path), *written, program="stubs/fakegame.dll") as game:
        yield game


def edit(folder: Path, **values: object) -> None:
    """Write new values of keys into the plugin's file, as an editor does."""
    path = folder / "BonkLink.cfg"
    text = path.read_text(encoding="utf-8")
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert count == 1, key
    path.write_text(text, encoding="utf-8")


def period_ms(client: Client) -> float:
    """The median time between packets, by the game's clock."""
    client.newest(1)
    times = [run.capture_time_us for run in (client.packet().state.run for _ in range(6)) if run is not None]
    return median(after - before for before, after in zip(times, times[1:], strict=False)) / 1000


def test_a_new_value_acts_in_the_run_and_one_that_cannot_is_named(game: PluginHost, tmp_path: Path) -> None:
    with Client(game.port) as client:
        assert client.frame().frame[:2] == b"\xff\xd8" and period_ms(client) > 220
        assert client.packet().state.human is None
        edit(tmp_path, UpdateHz=60, FrameFormat="raw_rgb", EnableInputSnapshot=True, JpegWidth=640, JpegQuality=900)
        wait_for_log(game, "Performance.UpdateHz is 60 from now on; it was 4")
        wait_for_log(game, "Capture.JpegQuality = 900 is not in 1 to 100; using 100")
        said = wait_for_log(game, "Capture.JpegWidth = 640 counts when the game is started again")
        assert said.startswith("info: settings:")
        client.newest(8)
        packet = client.frame()
        assert packet.frame[:4] == b"MBRF" and decode_frame(packet.frame, True).shape == (180, 320, 3)
        assert packet.state.run is not None and packet.state.run.capture_size_px == (320, 180)
        assert client.packet().state.human is not None and period_ms(client) < 150


def test_pictures_are_turned_off_and_on_again(game: PluginHost, tmp_path: Path) -> None:
    with Client(game.port) as client:
        client.frame()
        # A value that cannot be read changes nothing, and the file may be gone for a moment.
        (tmp_path / "BonkLink.cfg").rename(tmp_path / "moved")
        (tmp_path / "moved").rename(tmp_path / "BonkLink.cfg")
        edit(tmp_path, EnableJpeg=False, UpdateHz="sixty")
        wait_for_log(game, "Capture.EnableJpeg is False from now on")
        # One that was on its way is still sent.
        until = time.monotonic() + 60
        while any([client.packet().frame for _ in range(10)]):
            assert time.monotonic() < until
        found = game.ask()
        assert found["textures"] == 0 and not [line for line in found["log"] if "UpdateHz" in line]
        edit(tmp_path, EnableJpeg=True)
        wait_for_log(game, "Capture.EnableJpeg is True from now on")
        assert client.frame().frame
