"""Recordings of the small game, as files."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np

from tests.learning.inverse_dynamics.moving import LAYOUT, episode


def write(folder: Path, count: int, first: int = 0, *, rows: int = 60, actions: bool = True) -> None:
    """Episodes of random play, with what was done or without."""
    folder.mkdir(parents=True, exist_ok=True)
    controls = msgspec.to_builtins(LAYOUT.controls)
    for seed in range(first, first + count):
        made = episode(seed, rows)
        meta = {"hz": 10, "policy": "random"} | ({"action_space": controls} if actions else {})
        arrays = {"observations": made.frames, "rewards": np.zeros(rows, np.float32)}
        if actions:
            assert made.actions is not None
            arrays["actions"] = made.actions
        np.savez(folder / f"run-{seed}.npz", meta=np.array(json.dumps(meta)), **arrays)
