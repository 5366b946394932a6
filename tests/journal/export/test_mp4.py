"""Videos have the exact time of each picture, and play from any point where a kill cut them off."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from agent.core.errors import RecordingError, SettingsError
from agent.journal.export import mp4
from agent.journal.export.mp4 import Mp4, VideoFile, frame_times_us
from tests.journal.export.test_rows import picture

TIMES_US = [0, 16_667, 50_001, 133_333, 900_000, 1_100_003, 1_150_000, 2_500_000, 2_500_017, 3_999_999]


def test_a_finished_video_has_exact_times_and_its_index_in_front(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "a.mp4")
    for number, time_us in enumerate(TIMES_US):
        video.add(picture(20 * number, (17, 31) if number else (18, 32)), time_us)
    video.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert frame_times_us(tmp_path / "a.mp4") == TIMES_US
    data = (tmp_path / "a.mp4").read_bytes()
    assert -1 < data.find(b"moov") < data.find(b"mdat") and b"moof" not in data


def test_a_video_plays_as_far_as_it_was_written(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "a.mp4")
    rng = np.random.default_rng(1)
    times_us = [number * 100_000 for number in range(60)]
    for time_us in times_us:
        video.add(rng.integers(0, 256, (32, 48, 3), np.uint8), time_us)
    written = shutil.copy(video.part, tmp_path / "killed.mp4")
    found = frame_times_us(tmp_path / "killed.mp4")
    assert found == times_us[: len(found)] and len(found) >= len(times_us) - 20  # all but the last second or two
    whole = Path(written).read_bytes()
    for share in (0.3, 0.51, 0.77, 0.94):
        (tmp_path / "cut.mp4").write_bytes(whole[: int(len(whole) * share)])
        found = frame_times_us(tmp_path / "cut.mp4")
        assert found == times_us[: len(found)] and len(found) > share * len(times_us) - 25
    video.close()
    assert frame_times_us(tmp_path / "a.mp4") == times_us


def test_a_video_that_reads_back_as_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = VideoFile(tmp_path / "a.mp4")
    video.add(picture(1), 0)
    monkeypatch.setattr(mp4, "frame_times_us", lambda path: [])
    with pytest.raises(RecordingError, match="reads back 0 of 1 pictures"):
        video.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.part.mp4"]
    with pytest.raises(RecordingError, match="no picture"):
        Mp4(tmp_path / "b.mp4").close()
    with pytest.raises(SettingsError, match="ends in .mp4"):
        Mp4(tmp_path / "b.avi")
