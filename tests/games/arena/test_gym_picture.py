"""Pictures of the arena for Gymnasium: what its checker and its wrappers take, and a window."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import AddRenderObservation, RecordVideo, RenderCollection

from tests.games.arena.test_gym_rows import ID, neutral


@pytest.fixture
def without_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.mark.filterwarnings("ignore:.*Box observation space", "ignore:.*render")
def test_it_renders_what_gymnasium_checks_and_its_wrappers_record(tmp_path: Path, without_display: None) -> None:
    check_env(gymnasium.make(ID, render_mode="rgb_array").unwrapped, skip_close_check=True)
    assert gymnasium.make(ID).unwrapped.metadata["render_fps"] == 15
    env = RenderCollection(gymnasium.make(ID, render_mode="rgb_array"))
    env.reset(seed=3)
    for _ in range(4):
        env.step(neutral(move=[1.0, 0.0], look=[1.0, 0.0]))
    pictures = env.render()
    assert len(pictures) == 5 and all(p.shape == (180, 320, 3) and p.dtype == np.uint8 for p in pictures)
    assert all((a != b).any() for a, b in zip(pictures, pictures[1:], strict=False))
    small = AddRenderObservation(gymnasium.make(ID, render_mode="rgb_array", size_px=(96, 84)))
    assert small.reset(seed=0)[0].shape == (84, 96, 3)
    if importlib.util.find_spec("moviepy") is not None:
        film = RecordVideo(gymnasium.make(ID, render_mode="rgb_array"), str(tmp_path), video_length=3)
        film.reset(seed=0)
        for _ in range(4):
            film.step(neutral())
        film.close()
        assert len(list(tmp_path.glob("*.mp4"))) == 1
    assert gymnasium.make(ID).unwrapped.render() is None


def test_the_mode_for_people_opens_a_window_and_closes_it(without_display: None) -> None:
    pygame = pytest.importorskip("pygame")
    env = gymnasium.make(ID, render_mode="human")
    env.reset(seed=0)
    shown = pygame.display.get_surface()
    assert shown is not None and shown.get_size() == (960, 540)
    first = pygame.surfarray.array3d(shown)
    env.step(neutral(look=[1.0, 0.0]))
    assert (pygame.surfarray.array3d(shown) != first).any() and env.render() is None
    env.close()
    env.close()
    assert pygame.display.get_surface() is None


@pytest.mark.filterwarnings("ignore:.*Box observation space", "ignore:.*render")
def test_gymnasiums_checker_is_content_without_a_display_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.warns(UserWarning, match="no display") as said:  # the checker raises where it is not content
        check_env(gymnasium.make(ID).unwrapped, skip_render_check=False)
    assert any("no display" in str(warning.message) for warning in said)


def test_without_a_display_nothing_is_loaded_that_triton_cannot_live_with(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.warns(UserWarning, match="no display"):
        env = gymnasium.make(ID, render_mode="human")
    assert pygame.display.get_driver() == "dummy" and "SDL_VIDEODRIVER" not in os.environ
    env.close()
