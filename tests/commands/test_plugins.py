"""`plugins install` and `plugins status` on a fake folder of the game, through both doors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.test_install import make_game

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("door", [("-m", "agent", "plugins", "install"), ("tools/update_plugins.py",)])
def test_the_command_installs_and_says_what_is_still_wrong(tmp_path: Path, door: tuple[str, ...]) -> None:
    make_game(tmp_path / "g", interop=False)
    built = tmp_path / "built"
    built.mkdir()
    for name in ("BonkLink.dll", "ResearchPlugin.dll"):
        (built / name).write_bytes(b"MZ")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run(*door, "--game-dir", str(tmp_path), "--from", str(built))
    assert done.returncode == 1 and "start the game once" in done.stdout, done.stderr
    assert (tmp_path / "g" / "BepInEx" / "plugins" / "BonkLink.dll").is_file()
    done = run("-m", "agent", "plugins", "status", "--game-dir", str(tmp_path))
    assert done.returncode == 1 and "ok    plugin: BonkLink.dll" in done.stdout
    (tmp_path / "none").mkdir()
    done = run(*door, "--game-dir", str(tmp_path / "none"))
    assert done.returncode == 2 and "there is no Megabonk.exe" in done.stderr
