"""From recordings to a model, to labels of others, through the commands; and refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent.commands.cli import run
from agent.learning.pixels.load import open_episodes
from agent.models.sealed import read_manifest
from tests.training.labels.files import write
from tools.video_pretrain import words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, and a model that hardly learned: what is tested is how they go together."""
    made = tmp_path_factory.mktemp("labels")
    write(made / "known", 4)
    write(made / "unseen", 2, 50, actions=False)
    write(made / "again", 1, 70)
    model = made / "idm"
    asked = ["--npz-dir", str(made / "known"), "--out", str(model), "--steps", "4", "--batch", "2", "--window", "5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(made / "cache"))
        assert run([*_phase("idm_train"), *asked]) == 0
    return made


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))


def _phase(name: str) -> list[str]:
    found = words(["--phase", name])
    assert isinstance(found, list)
    return found


def label(folder: Path, source: str, *more: str) -> int:
    model, out = folder / "idm" / "inverse-dynamics.safetensors", folder / f"{source}-labelled"
    asked = ["--npz-dir", str(folder / source), "--out-npz-dir", str(out), "--model", str(model)]
    return run([*_phase("label_actions"), *asked, *more])


def test_a_model_is_sealed_and_says_how_good_it_is(folder: Path) -> None:
    notes = read_manifest(folder / "idm" / "inverse-dynamics.safetensors").notes
    assert {"macro_f1", "copy_macro_f1", "onset_f1", "ece"} <= notes["held_out"].keys()
    assert all(0 <= own["lag_steps"] <= 4 for own in notes["lags"].values()) and notes["lags"]
    assert (folder / "idm" / "curve.jsonl").read_text().count("\n") == 1
    assert list((folder / "idm").glob("events.out.tfevents.*"))


def test_unlabelled_recordings_get_labels_that_are_episodes_again(folder: Path) -> None:
    assert label(folder, "unseen") == 0
    path = folder / "unseen-labelled" / "run-50.npz"
    with np.load(path, allow_pickle=False) as arrays, np.load(folder / "unseen" / "run-50.npz") as before:
        assert arrays["actions"].shape == arrays["confidence"].shape == arrays["unknown"].shape == (60, 5)
        assert np.array_equal(arrays["unknown"], arrays["confidence"] < 0.8) and arrays["unknown"][-1].all()
        assert np.array_equal(arrays["observations"], before["observations"]) and "rewards" in arrays.files
        assert json.loads(arrays["meta"].item())["labelled"]["keep"] == 0.8
    opened = open_episodes(folder / "unseen-labelled")
    assert opened.layout is not None and opened.items[0].known is not None and not opened.items[0].known[-1].any()


def test_labels_that_are_there_are_left_and_others_made_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert label(folder, "again") == 0
    path = folder / "again-labelled" / "run-70.npz"
    before = path.stat().st_mtime_ns
    with np.load(path) as arrays:
        assert "recorded_actions" in arrays.files
    assert label(folder, "again") == 0 and path.stat().st_mtime_ns == before
    assert "0 episodes labelled, 1 were there" in capsys.readouterr().out
    assert label(folder, "again", "--keep", "0.3") == 0 and path.stat().st_mtime_ns != before


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


def test_rewards_are_the_gains_of_progress(folder: Path) -> None:
    out, npz = folder / "reward", str(folder / "known")
    assert run([*_phase("reward_train"), "--npz-dir", npz, "--out", str(out), "--steps", "3", "--batch", "2"]) == 0
    assert -1 <= read_manifest(out / "progress-reward.safetensors").notes["rank_correlation"] <= 1
    made = folder / "rewarded"
    asked = ["--model", str(out / "progress-reward.safetensors"), "--out-npz-dir", str(made)]
    assert run([*_phase("reward_label"), "--npz-dir", npz, *asked]) == 0
    with np.load(made / "run-0.npz") as arrays:
        assert np.allclose(np.diff(arrays["progress"]), arrays["rewards"][:-1], atol=1e-4)
        assert np.abs(arrays["rewards"]).max() > 0 == arrays["rewards"][-1]
        assert "actions" in arrays.files
