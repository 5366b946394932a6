"""Labels of recordings are episodes again; those that are there are left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent.commands.cli import run
from agent.learning.pixels.load import open_episodes


def label(folder: Path, source: str, *more: str) -> int:
    model, out = folder / "idm" / "inverse-dynamics.safetensors", folder / f"{source}-labelled"
    asked = ["--npz-dir", str(folder / source), "--out-npz-dir", str(out), "--model", str(model)]
    return run(["label", *asked, *more])


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
