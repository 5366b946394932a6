"""The command that plays a world refuses what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.learning.pixels.layout import one_choice
from agent.learning.pixels.world_file import save_world
from tests.learning.pixels.files import dots_world, write_npz


@pytest.mark.parametrize(
    ("rest", "said"),
    [("--hz 0", "--hz 0"), ("--temperature 9", "--temperature 9"), ("--recording other.npz", "its actions are not")],
)
def test_what_cannot_be_played_is_one_line(
    rest: str, said: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    saved = dots_world()
    assert saved.action_layout == one_choice(5)
    starts = (saved.frames, saved.actions)
    save_world(tmp_path / "w.safetensors", saved.world, saved.layout, starts, created_by="test", notes={})
    write_npz(tmp_path / "other.npz")
    assert run(["dream", "w.safetensors", *rest.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
