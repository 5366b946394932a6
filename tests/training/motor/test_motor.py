"""A motor's training: what is played, the subgoals' vectors, turns with the script, and a checkpoint that goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agent.control.chunks.policy import TRAINED as KNOWN
from agent.control.chunks.policy import ChunkMotor, motor_tensors
from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.untrained import pilot_of
from agent.core.goals.progress import Tally, begin
from agent.core.goals.vector import GOAL_FEATURES, GoalColumn, features
from agent.games.arena.game import ArenaGame
from agent.models.sealed import save_sealed
from agent.training.arena import motor
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.goals import NONE, TRAINED, goal_vectors
from agent.training.arena.motor import MotorTraining
from agent.training.arena.motor_data import MotorData, Shares


def test_vectors_of_a_batch_are_those_of_a_state() -> None:
    batch, game = ArenaBatch(1, 3), ArenaGame()
    game.reset(3, start="run")
    state = game.state()
    for at, subgoal in enumerate(TRAINED):
        wanted = np.zeros(GOAL_FEATURES, np.float32)
        features(begin(subgoal, Tally(), state, 0.0), None, state, wanted)
        found = goal_vectors(batch, np.array([at], np.int32))[0]
        assert np.allclose(found[:GOAL_FEATURES], wanted, atol=1e-4), subgoal.describe()
        assert found[GoalColumn.THERE] == 1.0 and (subgoal.kind, subgoal.what) in KNOWN
    assert not goal_vectors(batch, np.array([NONE], np.int32)).any()


def test_the_motor_and_the_script_take_turns_and_only_the_script_is_imitated() -> None:
    pilot = pilot_of(pilot_tensors(SHIPPED))
    data = MotorData(ArenaBatch(8, 5), pilot, shares=Shares(0.0, 0.5), seed=0)
    data.motor = lambda condition: torch.full((len(condition), 7), 0.125)
    runs = data.play(60)
    for row, (own, drawn) in enumerate(runs):
        led = (own.action[:, :4] == 0.125).all(1)
        assert not (own.playing & led).any()
        if row >= 4:
            assert 10 < led.sum() < 50 and drawn.playing[led].all()
            assert own.first[np.flatnonzero(np.diff(led.astype(int)) == -1) + 1].all(), "a turn begins a stretch"
        else:
            assert not led.any()


def test_a_training_makes_a_motor_that_plays_and_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> MotorTraining:
        return MotorTraining(seed=1, total_steps=3000, runs=8)

    monkeypatch.setattr(motor, "MIN_CHUNKS", 500)
    monkeypatch.setattr(motor, "UPDATES_PER_DECISION", 0.005)
    training = made()
    figures = [training.advance() for _ in range(4)]
    assert "critic_loss" in figures[1] and "student_loss" in figures[3]
    path = tmp_path / "motor.safetensors"
    save_sealed(path, created_by="test", **training.sealed())
    sizes = ChunkMotor(motor_tensors(path)).chunked.sizes
    assert (sizes.features, sizes.chunk, sizes.goal) == (training.sizes.features, 8, training.sizes.goal)
    again = made()
    again.load_tensors(training.tensors())
    assert again.steps == training.steps and again.learner.updates == training.learner.updates
    for name, tensor in training.learner.student.state_dict().items():
        assert torch.equal(again.learner.student.state_dict()[name], tensor)
