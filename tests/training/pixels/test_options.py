"""Options of worlds are read without torch, and what cannot be is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.training.pixels.options import WorldOptions
from agent.training.pixels.train import train_world

BAD = {
    "--size-px 96": {"size_px": 96}, "--regimes 1": {"regimes": 1}, "--steps 0": {"steps": 0},
    "is of --arm maskgit": {"seq_len": 8}, "--held-out 1": {"held_out": 1.0}, "--device cuda": {"device": "cuda"},
}  # fmt: skip


@pytest.mark.parametrize("said", BAD)
def test_what_cannot_be_is_refused(tmp_path: Path, said: str) -> None:
    options = replace(WorldOptions(recordings=tmp_path, out=tmp_path / "out"), **BAD[said])
    with pytest.raises(SettingsError, match=said):
        train_world(options, SystemClock(), Console(quiet=True))
    assert not (tmp_path / "out").exists()


def test_they_need_no_torch() -> None:
    code = "import sys, agent.commands.worlds.world; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
