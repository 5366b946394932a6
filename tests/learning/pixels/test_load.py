"""Folders of recordings as episodes: every kind is read, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.journal.export.mp4 import VideoFile
from agent.learning.pixels.layout import STANDARD
from tests.journal.export.test_npz import recording
from tests.learning.pixels.files import opened, pictures, write_npz


def test_every_kind_of_recording_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    actions = np.zeros((12, 10), np.float32)
    actions[3, 7:] = (1, 0.25, 1.0)
    write_npz(folder / "a.npz", actions=actions, menus=np.array(["Shop"] * 12))
    video = VideoFile(folder / "b.mp4")
    for i in range(30):
        video.add(pictures(30)[i], i * 50_000)
    video.close()
    recording(folder / "journal")
    found = opened(folder, hz=10.0)
    by_name = {episode.name: episode for episode in found.items}
    assert found.layout == STANDARD and not found.refused
    a, b, journal = by_name["a"], by_name["b"], by_name["journal-game0-0"]
    assert a.frames.shape == (12, 64, 64, 3) and a.frames[5, 9, 9, 0] == 5 and (a.dt_s, a.player) == (0.1, "kiter")
    assert b.actions is None and len(b) == 15 and b.dt_s == pytest.approx(0.1, rel=0.05)
    assert len(journal) == 20 and set(journal.menus) == {"", "Shop"} and journal.actions[:, 7].sum() == 1
    encoded = found.labelled().encoded(0)
    assert encoded[3, 7:].tolist() == [1.0, -0.5, 1.0] and encoded[4, 7:].tolist() == [0.0, 0.0, 0.0]
    again = opened(folder, hz=10.0)
    assert [e.name for e in again.items] == [e.name for e in found.items]
    assert np.array_equal(again.items[0].frames, found.items[0].frames)
