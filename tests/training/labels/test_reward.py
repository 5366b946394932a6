"""Rewards of progress through the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent.commands.cli import run
from agent.models.sealed import read_manifest


def test_rewards_are_the_gains_of_progress(folder: Path) -> None:
    out, npz = folder / "reward", str(folder / "known")
    assert run(["label", "reward-train", "--npz-dir", npz, "--out", str(out), "--steps", "3", "--batch", "2"]) == 0
    assert -1 <= read_manifest(out / "progress-reward.safetensors").notes["rank_correlation"] <= 1
    made = folder / "rewarded"
    asked = ["--model", str(out / "progress-reward.safetensors"), "--out-npz-dir", str(made)]
    assert run(["label", "reward", "--npz-dir", npz, *asked]) == 0
    with np.load(made / "run-0.npz") as arrays:
        assert np.allclose(np.diff(arrays["progress"]), arrays["rewards"][:-1], atol=1e-4)
        assert np.abs(arrays["rewards"]).max() > 0 == arrays["rewards"][-1]
        assert "actions" in arrays.files
