"""The moving picture: what is committed can be shown, and the tool draws one without changing the game."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.games.arena.game import ArenaGame
from tools import draw_pictures

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MAX_BYTES = 2_000_000


def test_the_committed_picture_moves_for_six_to_eight_seconds_and_is_small() -> None:
    path = PICTURES / "play.webp"
    assert path.stat().st_size <= MAX_BYTES
    read, clip = cv2.imreadanimation(str(path))
    assert read and clip.loop_count == 0
    assert 6.0 <= sum(clip.durations) / 1000 <= 8.0
    assert clip.frames[0].shape[:2] == (360, 640)
    moved = [float(np.abs(a.astype(int) - b).mean()) for a, b in zip(clip.frames, clip.frames[5:], strict=False)]
    assert min(moved) > 0.5


def test_a_camera_turned_for_the_picture_leaves_the_game_as_it_is() -> None:
    game = ArenaGame(capture_px=(160, 90))
    game.reset(3, start="run")
    before, plain = game.worlds.content_hash(0), game.render().copy()
    turned = draw_pictures._render_towards(game, float(game.world["yaw"]) + 2.0)
    assert game.worlds.content_hash(0) == before
    assert np.abs(turned[:, :, ::-1].astype(int) - plain).mean() > 1.0


def test_the_tool_writes_a_moving_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_pictures, "CLIP_PX", (160, 90))
    monkeypatch.setattr(draw_pictures, "CLIP_SECONDS", 0.5)
    monkeypatch.setattr(draw_pictures, "CLIP_FROM_SECONDS", 2.0)
    monkeypatch.setattr(draw_pictures, "CROWD", 1)
    draw_pictures.draw_clip(tmp_path)
    read, clip = cv2.imreadanimation(str(tmp_path / "play.webp"))
    assert read and len(clip.frames) == 7
