"""A split never shares an episode; samples stay inside one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.core.errors import RecordingError
from tests.learning.pixels.files import opened, write_npz


def test_a_split_is_by_episode_and_samples_stay_inside_one(tmp_path: Path) -> None:
    for i in range(10):
        write_npz(tmp_path / "in" / f"{i}.npz", count=20, shade=i)
    train, held_out = opened(tmp_path / "in").split(0.2, seed=3)
    shades = [{int(e.frames[0, 0, 0, 1]) for e in part.items} for part in (train, held_out)]
    assert not shades[0] & shades[1] and len(shades[0]) == 8 and len(shades[1]) == 2
    batch = train.windows(np.random.default_rng(0), 200, 6)
    assert batch.frames.shape == (200, 6, 64, 64, 3) and batch.actions.shape == (200, 6, 10)
    assert (batch.frames[..., 0, 0, 1].min(1) == batch.frames[..., 0, 0, 1].max(1)).all()
    assert (np.diff(batch.frames[:, :, 0, 0, 0].astype(int), axis=1) == 1).all()
    assert set(batch.starts) == set(range(15))
    with pytest.raises(RecordingError, match="the longest has 20"):
        train.windows(np.random.default_rng(0), 1, 21)
    with pytest.raises(RecordingError, match="at least 2"):
        train.of([0]).split()
