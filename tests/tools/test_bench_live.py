"""The pilot live against itself vectorised: pairs, their ratio, and whose groups may be used again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.control.policies import SHIPPED
from agent.control.score import CAP_S
from agent.core.types import NEUTRAL
from agent.games.arena.game import ArenaGame
from agent.training.evaluate import observe
from tools.bench import live as bench_live


def test_the_ratio_is_of_the_means_and_its_interval_of_pairs_drawn_together() -> None:
    rng = np.random.default_rng(0)
    batch = rng.uniform(200.0, CAP_S, 30)
    assert bench_live.ratio(np.stack([0.5 * batch, batch], 1)) == (0.5, 0.5, 0.5)
    mean, low, high = bench_live.ratio(np.stack([rng.permutation(batch), batch], 1))
    assert mean == pytest.approx(1.0) and low < 0.95 and high > 1.05


class Stopped:
    """A session that notes that it was told to stop."""

    def __init__(self) -> None:
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


def test_the_first_run_of_each_game_counts_and_the_last_of_them_ends_the_session() -> None:
    watcher, session = bench_live.FirstRuns(2), Stopped()
    watcher.session = session  # type: ignore[assignment]
    for game in (0, 0, 1):
        arena = ArenaGame()
        arena.reset(7, start="run")
        for tick in range(5):
            shown = observe(arena, game, arena.state(), None, tick)
            watcher.on_step(msgspec.structs.replace(shown, is_last=tick == 4), NEUTRAL, 0)
            arena.tick(NEUTRAL)
        assert session.stops == (game == 1)
    assert watcher.results.keys() == {0, 1}


def test_a_group_of_other_weights_or_sources_is_refused(tmp_path: Path) -> None:
    group: dict[str, Any] = {"scores_s": {"5": 1.0}, **bench_live.identity(SHIPPED)}
    path = tmp_path / "5-5.json"
    path.write_text(json.dumps(group))
    assert bench_live.group_in_process([5], SHIPPED, tmp_path)["scores_s"] == {"5": 1.0}
    for key in bench_live.identity(SHIPPED):
        path.write_text(json.dumps(group | {key: "other"}))
        with pytest.raises(SystemExit, match="delete it"):
            bench_live.group_in_process([5], SHIPPED, tmp_path)
