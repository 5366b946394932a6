"""Recorded episodes hold what was shown, done and earned, and open as episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.control.kiter import Kiter
from agent.core.errors import SettingsError
from agent.games.hosting import build_game
from agent.games.options import GameOptions
from agent.learning.pixels.layout import Control
from agent.learning.pixels.load import open_episodes
from agent.training.pixels.record import RandomChoices, Recorder, write_episodes

BREAKOUT = "gym:minatar.gym:MinAtar/Breakout-v1"


def test_an_environment_by_its_own_choices(tmp_path: Path) -> None:
    game = build_game(GameOptions(game=BREAKOUT).from_run(0))
    recorder = Recorder(game, None, every=1, max_frames=30, start="run", size_px=64)
    assert write_episodes(recorder, tmp_path / "out", prefix="random", episodes=3, seed=5, meta={"hz": 15.0}) > 9
    assert write_episodes(recorder, tmp_path / "out", prefix="random", episodes=3, seed=5, meta={}) == 0
    found = open_episodes(tmp_path / "out", cache=tmp_path / "cache")
    assert [e.name for e in found.items] == [f"random-{seed:05d}" for seed in (5, 6, 7)]
    assert found.layout is not None and found.layout.controls == (Control("choice0", "choice", 3),)
    for episode in found.items:
        assert episode.dones is not None and episode.dones[-1] == (len(episode) < 30)
        assert episode.rewards is not None and episode.dt_s == pytest.approx(1 / 15)
    game.reset(6, start="run")
    again, actions = RandomChoices(recorder.shown, 6), found.items[1].actions  # type: ignore[arg-type]
    first = game.render()
    for row in actions:  # type: ignore[union-attr]
        action = again.act()
        assert action.env is not None and action.env.choices[0] == row[0]
    assert np.array_equal(found.items[1].frames[0][::8, ::8].shape, (8, 8, 3)) and first.shape[2] == 3


def test_the_arena_by_a_policy_joins_what_is_done_between_pictures() -> None:
    game: Any = build_game(GameOptions(game="arena", capture="84x84").from_run(0))
    arrays = Recorder(game, Kiter(), every=6, max_frames=12, start="run").episode(3)
    assert arrays["observations"].shape == (12, 84, 84, 3) and arrays["actions"].shape == (12, 10)
    assert np.abs(arrays["actions"][:, :2]).max() > 0.1 and np.diff(arrays["times"]) == pytest.approx(0.1)
    assert len(np.unique(arrays["observations"].reshape(12, -1), axis=0)) > 6
    with pytest.raises(SettingsError, match="name a policy"):
        Recorder(game, None, every=6, max_frames=12, start="run")
