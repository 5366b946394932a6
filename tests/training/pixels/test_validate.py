"""A world is measured on what it never saw."""

from __future__ import annotations

import numpy as np
import torch

from agent.core.clock import SystemClock
from agent.learning.pixels.world_file import SavedWorld, WorldLayout, starts_of
from agent.models.pixels.sizes import DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.world import PixelWorld
from agent.training.pixels.train import fingerprint
from agent.training.pixels.validate import held_out_of, speed_report
from tests.learning.pixels.files import dots


def test_which_episodes_count_and_how_fast_it_is() -> None:
    episodes = dots(10)
    world = PixelWorld(PixelWorldSizes(TokenizerSizes(32, (16, 32)), DynamicsSizes(5, channels=(16, 32), blocks=1)))
    frames, actions = starts_of(episodes, 5, 0)
    notes = {"split": fingerprint(episodes), "split_share": 0.2, "split_seed": 3}
    saved = SavedWorld(world, WorldLayout(controls=(), dt_s=0.1, has_outcomes=False), frames, actions, notes)
    measured, which = held_out_of(saved, episodes)
    assert [e.name for e in measured.items] == [e.name for e in episodes.split(0.2, seed=3)[1].items]
    assert len(measured) == 2 and which.startswith("held out")
    other, which = held_out_of(saved, dots(7))
    assert len(other) == 7 and which.startswith("all")
    torch.set_num_threads(1)
    speed = speed_report(saved, SystemClock(), 10)
    assert speed["p99_ms"] >= speed["p50_ms"] > 0 and np.isclose(speed["threads"], 1) and speed["cpu_ms"] >= 0
