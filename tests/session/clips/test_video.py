"""A clip's video comes from a process of its own, and its failure is one line."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from agent.core.errors import RecordingError
from agent.journal.clip import clip_recording
from agent.journal.export.mp4 import frame_times_us
from agent.session.clips import video
from agent.session.clips.video import encode_video
from tests.journal.export.test_npz import recording


def test_the_video_has_the_pictures_of_the_clips_seconds(tmp_path: Path) -> None:
    clip_recording(recording(tmp_path / "rec"), tmp_path / "mine", 1.0, apart=True)
    made = asyncio.run(encode_video(tmp_path / "mine"))
    assert made == tmp_path / "mine" / "mine.mp4" and 8 <= len(frame_times_us(made)) <= 11


@pytest.mark.skipif(not shutil.which("false"), reason="a program that fails")
def test_a_failure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video.sys, "executable", shutil.which("false"))
    with pytest.raises(RecordingError, match="mine: exit code 1"):
        asyncio.run(encode_video(tmp_path / "mine"))
