"""A trained model is sealed with what it is worth, and is read back as the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.core.errors import WeightsError
from agent.models.sealed import read_manifest, save_sealed
from agent.training.labels.idm import load_idm
from tests.learning.inverse_dynamics.moving import LAYOUT, episode


def test_a_model_is_sealed_and_says_how_good_it_is(folder: Path) -> None:
    notes = read_manifest(folder / "idm" / "inverse-dynamics.safetensors").notes
    assert {"macro_f1", "copy_macro_f1", "onset_f1", "ece"} <= notes["held_out"].keys()
    assert all(0 <= own["lag_steps"] <= 4 for own in notes["lags"].values()) and notes["lags"]
    assert (folder / "idm" / "curve.jsonl").read_text().count("\n") == 1
    assert list((folder / "idm").glob("events.out.tfevents.*"))


def test_a_sealed_model_labels_as_declared_and_another_file_is_refused(folder: Path, tmp_path: Path) -> None:
    labeller = load_idm(folder / "idm" / "inverse-dynamics.safetensors")
    assert labeller.targets.layout == LAYOUT and labeller.calibration.scale
    labels = labeller.label(episode(9, 40).frames)
    assert np.isfinite(labels.confidence).all() and labels.actions.shape == (40, 5)
    other = tmp_path / "other.safetensors"
    save_sealed(other, {"x": np.zeros(2, np.float32)}, kind="pilot", layout={}, sizes={})
    with pytest.raises(WeightsError, match="holds a pilot"):
        load_idm(other)
