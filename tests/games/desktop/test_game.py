"""One real game under Xvfb: its settings are found by pictures alone, from an empty home."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

GAME = "minetest"


@pytest.mark.requires("Xvfb", "openbox", GAME)
def test_settings_of_a_game_that_nobody_here_made(tmp_path: Path) -> None:
    out, pictures = tmp_path / "found.json", tmp_path / "pictures"
    command = [sys.executable, "-m", "tools.bench.menus.desktop", "--games", GAME, "--goals", "settings"]
    more = ["--visits", "1", "--within", "150", "--out", str(out), "--pictures", str(pictures)]
    subprocess.run([*command, *more], check=True, timeout=300, stdout=subprocess.DEVNULL)

    (found,) = json.loads(out.read_text(encoding="utf-8"))["each"]
    assert found["ok"] and found["outcome"] == "reached", found
    assert sorted(p.name for p in pictures.rglob("*.jpg"))[-2:] == ["01.jpg", "end.jpg"]
