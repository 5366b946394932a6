"""Runs start before the loops of others: with the exact state, as often as asked, until the loop is solved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.games.arena import state as layout
from agent.journal.loops import MIN_S
from agent.learning.configs import Budget
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.loop_starts import MAX_STARTS, SAVE_EVERY_S, SOLVED, TRIAL_S, LoopStarts, Start
from agent.training.arena.train import ArenaTraining
from agent.training.command import asked, build_training
from agent.training.options import TrainOptions

WALL_M = 90.0


class Peaceful:
    """Runs without enemies and trees that go where they are told."""

    def __init__(self, count: int, share: float, seed: int = 1) -> None:
        self.starts = LoopStarts(count, share=share, seed=seed)
        self.batch = ArenaBatch(count, 7, starts=self.starts)

    def walk(self, seconds: float, move: tuple[float, float] = (1.0, 0.0)) -> list[Any]:
        ended = []
        axes = np.zeros((self.batch.count, 4), np.float32)
        axes[:, :2] = move
        none = np.zeros((self.batch.count, 3), np.int32)
        for _ in range(round(seconds * 15)):
            self.batch.records["spawn_credit"], self.batch.records["tree_cell"] = -1e9, -1
            ended += self.batch.step(axes, none, none[:, 0]).ended
        return ended

    def end(self, row: int) -> Any:
        """Let one run be cut."""
        self.batch.records[row]["time_s"] = 1e6
        (ended,) = self.walk(1 / 15, (0.0, 0.0))
        return ended


def test_time_in_a_corner_makes_a_start_and_the_next_run_begins_with_that_very_state() -> None:
    played = Peaceful(2, share=1.0)
    played.walk(30.0)
    assert (played.batch.records["x"] > WALL_M).all() and played.starts.starts == []
    played.walk(MIN_S)
    assert len(played.starts.starts) >= 1 and (played.batch.run == [0, 1]).all()
    kept = [record.copy() for record in played.starts._records[: len(played.starts.starts)]]
    assert all(record["x"] > WALL_M - 10 * SAVE_EVERY_S for record in kept)
    assert played.end(0).whole
    began = played.batch.records[0]
    assert any(all(np.array_equal(began[name], record[name]) for name in layout.WORLD.fields or ()) for record in kept)
    assert played.batch.run[0] == -1 and played.batch.is_first[0] and played.batch.run[1] == 1
    lost_s, watched_s = played.starts.lost_s, played.starts.watched_s
    assert not played.end(0).whole, "a run from within another counts for no score"
    assert (played.starts.lost_s, played.starts.watched_s - watched_s) == (lost_s, pytest.approx(1 / 15, abs=0.3))


def test_no_run_starts_elsewhere_without_a_loop_or_a_share() -> None:
    for share, moves in ((0.0, 60.0), (1.0, 3.0)):
        played = Peaceful(1, share=share)
        played.walk(moves)
        assert played.end(0).whole and played.batch.run[0] == 1 and played.starts.starts == []
    assert played.starts.watched_s == pytest.approx(3.0, abs=0.4)


def test_a_share_of_the_runs_starts_before_loops_and_the_likelier_the_more_they_fail() -> None:
    starts = LoopStarts(1, share=0.2, seed=3)
    starts.starts = [Start("often", 1.0), Start("seldom", 0.25), Start("tried", 1.0, 15)]
    drawn = [starts._drawn() for _ in range(4000)]
    places = [start.place for start in drawn if start is not None]
    assert len(places) / len(drawn) == pytest.approx(0.2, abs=0.02)
    shares = [places.count(place) / len(places) for place in ("often", "seldom", "tried")]
    assert shares == pytest.approx([1 / 1.5, 0.25 / 1.5, 0.25 / 1.5], abs=0.05)


def test_what_is_solved_is_forgotten_and_what_fails_again_stays() -> None:
    played = Peaceful(1, share=1.0)
    played.walk(30.0 + MIN_S)
    (start,) = played.starts.starts
    played.end(0)
    played.walk(MIN_S + 10.0)
    assert start.tries == 1 and start.failure == 1.0 and played.starts.starts == [start]
    played.end(0)
    played.walk(8.0, (-1.0, 0.0))
    for k in range(4):
        played.walk(TRIAL_S / 4, (0.0, 1.0) if k % 2 else (-1.0, 0.0))
    assert start.tries == 2 and start.failure == pytest.approx(0.7)
    while start in played.starts.starts and start.tries < 20:
        played.starts._trials[0] = start.place
        played.starts._tried(0, looped=False)
    assert start.failure < SOLVED and start.tries == 8


def test_the_least_likely_start_makes_room() -> None:
    starts = LoopStarts(1, share=0.2, seed=0)
    record = np.zeros(1, layout.WORLD)[0]
    for k in range(MAX_STARTS):
        starts._keep(f"{k}", record)
    starts.starts[5].tried(looped=False)
    starts._keep("new", record)
    assert len(starts.starts) == MAX_STARTS and starts.starts[5].place == "new"
    starts._keep("7", record)
    assert len(starts.starts) == MAX_STARTS


@pytest.mark.campaign
def test_a_resumed_training_starts_before_the_same_loops() -> None:
    def training() -> ArenaTraining:
        return ArenaTraining(seed=1, total_steps=1280, lesson_steps=1280, runs=3, loop_starts=0.5)

    one = training()
    assert one.starts is not None
    other = Peaceful(3, share=0.5)
    other.walk(30.0 + MIN_S)
    one.starts.load_tensors(other.starts.tensors())
    one.batch.load_tensors(other.batch.tensors())
    assert "loop_starts" in one.advance()
    kept = {name: tensor.clone() for name, tensor in one.tensors().items()}
    one.batch.records["time_s"] = 1e6
    straight = one.advance()
    two = training()
    two.load_tensors(kept)
    two.batch.records["time_s"] = 1e6
    assert two.advance() == straight
    assert (two.batch.run == one.batch.run).all() and one.batch.run.min() == -1
    assert all((two.tensors()[name] == tensor).all() for name, tensor in one.tensors().items())


def test_the_option_is_checked_and_asked_of_a_checkpoint(tmp_path: Any) -> None:
    options = TrainOptions(steps=10, out=tmp_path, loop_starts=0.2)
    assert asked(options, None)["loop_starts"] == 0.2
    assert "loop_starts" not in asked(TrainOptions(steps=10, out=tmp_path), None)
    training = build_training(options)
    assert isinstance(training, ArenaTraining) and training.starts is not None and training.starts.share == 0.2
    with pytest.raises(SettingsError, match="--loop-starts 0.95: 0 to 0.9"):
        build_training(TrainOptions(steps=10, out=tmp_path, loop_starts=0.95))
    for other in (TrainOptions(steps=10, out=tmp_path, loop_starts=0.2, game="gym:CartPole-v1"),
                  TrainOptions(steps=10, out=tmp_path, loop_starts=0.2, policy="motor")):  # fmt: skip
        with pytest.raises(SettingsError, match="is of a pilot that PPO trains in the arena"):
            build_training(other)
    with pytest.raises(SettingsError, match="is of a pilot that PPO trains in the arena"):
        build_training(options, Budget())
