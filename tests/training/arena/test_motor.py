"""A motor's training makes a motor that plays, and a checkpoint goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agent.control.chunks.policy import ChunkMotor, motor_tensors
from agent.models.sealed import save_sealed
from agent.training.arena import motor
from agent.training.arena.motor import MotorTraining


def test_a_training_makes_a_motor_that_plays_and_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> MotorTraining:
        return MotorTraining(seed=1, total_steps=4000, runs=8)

    monkeypatch.setattr(motor, "MIN_CHUNKS", 500)
    monkeypatch.setattr(motor, "UPDATES_PER_DECISION", 0.005)
    training = made()
    assert any("not the motor's own" in line for line in training.about)
    figures = [training.advance(), training.advance()]
    assert training.data.motor is None, "it takes no turns before it has learned a little"
    figures += [training.advance(), training.advance()]
    assert training.data.motor is not None and "student_loss" not in figures[0]
    assert "critic_loss" in figures[1] and "student_loss" in figures[3]
    assert training.learner.progress == pytest.approx(training.steps / 4000)
    path = tmp_path / "motor.safetensors"
    save_sealed(path, created_by="test", **training.sealed())
    sizes = ChunkMotor(motor_tensors(path)).chunked.sizes
    assert (sizes.features, sizes.chunk, sizes.goal) == (training.sizes.features, 8, training.sizes.goal)
    again = made()
    again.load_tensors(training.tensors())
    assert again.steps == training.steps and again.learner.updates == training.learner.updates
    for name, tensor in training.learner.student.state_dict().items():
        assert torch.equal(again.learner.student.state_dict()[name], tensor)
