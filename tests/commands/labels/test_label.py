"""The commands `label` and their door `tools/video_pretrain.py`: bad input is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.commands.labels.label import app
from tests.training.labels.conftest import cache, folder
from tools.video_pretrain import PHASES, words

__all__ = ["cache", "folder"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["label", "--npz-dir", "nowhere", "--model", "MODEL"], "nowhere: there is no such folder"),
        (["label", "--npz-dir", "again", "--model", "none.safetensors"], "label train"),
        (["label", "--npz-dir", "again", "--out-npz-dir", "again/in", "--model", "MODEL"], "name a folder beside it"),
        (["label", "--npz-dir", "again", "--model", "MODEL", "--keep", "1.5"], "--keep"),
        (["label", "train", "--npz-dir", "again", "--out", "new"], "at least 3"),
        (["label", "train", "--npz-dir", "unseen", "--out", "new"], "0 episodes with actions"),
        (["label", "train", "--npz-dir", "known", "--out", "new", "--device", "cuda"], "no card here"),
        (["label", "train", "--npz-dir", "known", "--out", "idm"], "--resume"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    folder: Path, asked: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    model = "idm/inverse-dynamics.safetensors"
    assert run([model if word == "MODEL" else word for word in asked]) == 2
    told = capsys.readouterr().err.splitlines()
    assert said in told[-1]


def test_a_phase_that_there_is_not_is_named() -> None:
    assert (
        words(["--phase", "dance"]) == "--phase dance: there are idm_train, label_actions, reward_train, reward_label"
    )
    assert words(["--npz-dir", "x", "--phase=reward_train"]) == ["label", "reward-train", "--npz-dir", "x"]
    assert "missing" in words([])
    assert all(phase[0] == "label" and (len(phase) == 1 or phase[1] in app) for phase in PHASES.values())
