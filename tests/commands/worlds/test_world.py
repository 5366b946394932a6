"""The commands of worlds, and the door with the names that users know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.commands.cli import run
from agent.commands.play import world_of
from agent.control.policies import SHIPPED
from agent.core.errors import SettingsError, WeightsError
from agent.core.settings import load_settings
from tests.learning.pixels.files import dots, write_npz
from tools.train_generative_world_model import words


def test_known_names_reach_the_commands() -> None:
    given = "--npz-dir demos --phase transformer --use-regime --num-regimes 6 --seq-len 8 --resume"
    asked = "world train --recordings demos --out checkpoints/generative_world_model --phase transformer --arm maskgit"
    assert words(given.split()) == f"{asked} --seq-len 8 --resume --regimes 6".split()
    asked = "world validate --world w/world.safetensors --recordings rollouts"
    assert words(["--phase=validate", "--out", "w"]) == asked.split()
    assert words(["--help"])[:2] == ["world", "train"]


def test_the_door_trains_and_validates(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for episode in dots(3, 20, size_px=64).items:
        actions = episode.actions[:, 0].astype(np.int64)  # type: ignore[index]
        write_npz(tmp_path / "rollouts" / f"{episode.name}.npz", 20, observations=episode.frames, actions=actions)
    common = f"--out w --cache {tmp_path / 'cache'}"
    assert run(words(f"{common} --arm cnn --phase transformer --steps 1 --no-tensorboard".split())) == 0
    capsys.readouterr()
    assert run(words(f"{common} --phase validate --windows 16 --long-steps 0".split())) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["arm"] == "cnn" and report["trained_steps"] == 1 and "long" not in report


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("world train --recordings nowhere --out w", "no such folder"),
        ("world validate --world nowhere --recordings .", "no such file"),
        ("world record --game arena --episodes 0 --out w", "--episodes 0"),
        ("world record --game gym:minatar.gym:MinAtar/Breakout-v1 --policy kiter --out w", "--policy kiter"),
        ("world trane", "did you mean"),
    ],
)
def test_bad_input_is_one_line(
    line: str, said: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line.split()) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1


def test_a_world_that_is_none_is_refused_before_play() -> None:
    with pytest.raises(WeightsError, match="nowhere.safetensors: there is no such file"):
        world_of(load_settings(None, {"METABONK_WORLD": "nowhere.safetensors"}))
    with pytest.raises(SettingsError, match="not a world"):
        world_of(load_settings(None, {"METABONK_WORLD": str(SHIPPED)}))
    assert world_of(load_settings(None, {})) is None
