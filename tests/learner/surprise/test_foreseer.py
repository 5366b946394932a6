"""The learner's process foresees pictures: what the world knows surprises less than what it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.core.errors import RequestError
from agent.learner.process import LearnerProcess
from agent.learner.surprise.messages import Foresee, Foreseen, OpenWorld, WorldOpened
from agent.learning.pixels.world_file import save_world
from tests.learning.pixels.files import dots, dots_world


def test_what_follows_from_actions_surprises_less_than_what_does_not(tmp_path: Path) -> None:
    saved, process = dots_world(), LearnerProcess()
    with pytest.raises(RequestError, match="no world is open"):
        process.handle(Foresee(game=0, values=[0.0]), b"")
    path = tmp_path / "w.safetensors"
    save_world(path, saved.world, saved.layout, (saved.frames, saved.actions), created_by="test", notes={})
    opened, _ = process.handle(OpenWorld(path=str(path)))
    assert isinstance(opened, WorldOpened) and opened.size_px == 16 and opened.length == 4 and opened.place == "cpu"
    episode, found = dots(1, 24, size_px=16, seed=11, delay=2).items[0], {}
    assert episode.actions is not None
    rng = np.random.default_rng(0)
    for game, frames in enumerate((episode.frames, episode.frames[rng.permutation(24)])):
        surprises = []
        for t, frame in enumerate(frames):
            values = episode.actions[t - 1].tolist() if t else [0.0]
            answer, _ = process.handle(Foresee(game=game, values=values, is_first=t == 0), frame.tobytes())
            assert isinstance(answer, Foreseen) and answer.regime == -1
            surprises.append(answer.surprise)
        assert surprises[0] == 0.0
        found[game] = np.mean(surprises[4:])
    assert found[1] > 1.5 * found[0], found
    with pytest.raises(RequestError, match="no step of this world"):
        process.handle(Foresee(game=0, values=[0.0]), b"short")
