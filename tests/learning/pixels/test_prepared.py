"""Pictures are resized once and stay on the disk."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from agent.learning.pixels.prepared import fitted
from tests.learning.pixels.files import opened, write_npz


def test_pictures_are_not_held_in_memory(tmp_path: Path) -> None:
    write_npz(
        tmp_path / "in" / "long.npz", count=400, observations=np.zeros((400, 128, 128, 3), np.uint8), actions=None
    )
    tracemalloc.start()
    found = opened(tmp_path / "in")
    found.windows(np.random.default_rng(0), 4, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.pictures == 400 and peak < 4 << 20  # the pictures are 19 MiB, resized 5 MiB


def test_small_pictures_keep_their_edges() -> None:
    board = np.zeros((10, 10, 3), np.uint8)
    board[:, 5:] = 255
    assert set(np.unique(fitted(board, 64))) == {0, 255}
    assert 100 < fitted(np.tile(np.array([0, 255], np.uint8)[None, :, None], (128, 64, 3)), 64).mean() < 155
