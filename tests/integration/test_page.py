"""The page in a real browser: it shows a live picture and live numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from agent.link.imaging import decode_frame

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.requires("chromium")
def test_a_browser_shows_the_running_game(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [
        sys.executable, "-m", "agent", "play", "--game", "arena", "--seconds", "90", "--http-port", "0",
        "--no-open-page", "--report", str(report),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as player:
        try:
            assert player.stderr is not None
            line = next(text for text in player.stderr if "Watch it at" in text)
            url = line.split()[-1]
            for _ in range(200):
                status = json.load(urllib.request.urlopen(f"{url}status", timeout=240))
                if status["games"][0]["frame_hz"] > 0:
                    break
                time.sleep(0.1)
            chromium = shutil.which("chromium")
            assert chromium is not None
            done = subprocess.run(
                [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000",
                 f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", url],
                capture_output=True, text=True, timeout=90, check=True,
            )  # fmt: skip
            picture = urllib.request.urlopen(f"{url}frame.jpg", timeout=240).read()
        finally:
            player.terminate()
            player.stderr.read()
            player.wait(240)
    page = done.stdout
    assert 'class="on"' in page and "frame to" in page
    assert any(word in page for word in ("in play", "Menu", "Select", "Loading"))
    assert "<td>arena</td>" in page
    assert decode_frame(picture).shape == (180, 320, 3)
    assert json.loads(report.read_text(encoding="utf-8"))["schema"] == "metabonk-report/1"
