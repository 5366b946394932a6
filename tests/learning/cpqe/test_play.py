"""A motor that learns from its play: what gained is imitated, rests are kept, the pilot stays, weights are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.core.rollout import MOTOR_ACTIONS, Rollout
from agent.learning.configs import CpqeConfig, MotorInPlay
from agent.learning.cpqe.play import MotorLearner, played_of
from agent.learning.tensors import module_tensors
from agent.models.sizes import CpqeSizes

SIZES = CpqeSizes(
    features=2, action=7, chunk=4, executed=2, hidden=32, student_hidden=32, members=3, low=-0.2, high=1.2
)
CONFIG = MotorInPlay(
    pushes=True, cpqe=CpqeConfig(lr=3e-3, last_lr=1.0, warm_up=10, teacher_hidden=32, euler=4, batch=64, backup=4),
    min_chunks=64, rest=40, updates_per_decision=0.25,
)  # fmt: skip
EPISODE = 10


def _rollout(rng: np.random.Generator, episodes: int, *, sign: float = 1.0) -> Rollout:
    """Episodes with the first axis held at −.9 or .9; .1 a decision where `sign` times that has a feature's sign."""
    steps = episodes * EPISODE
    seen = np.repeat(rng.standard_normal((episodes, 2)), EPISODE, 0).astype(np.float32)
    side = np.repeat(rng.integers(0, 2, episodes) * 2.0 - 1.0, EPISODE)
    axes = np.zeros((steps, 4), np.float32)
    axes[:, 0] = 0.9 * side
    paid = 0.1 * (sign * side * seen[:, 0] > 0)
    at = np.arange(steps) % EPISODE
    return Rollout(
        instance="game", policy="motor", policy_version=1, obs=seen, actions_cont=axes,
        actions_disc=np.ones((steps, 3), np.int64),
        rewards=paid.astype(np.float32), terminated=at == EPISODE - 1, truncated=np.zeros(steps, np.bool_),
        is_first=at == 0, elapsed_s=np.full(steps, 0.07, np.float32),
        final_obs=seen[at == EPISODE - 1],
    )  # fmt: skip


def _made(config: MotorInPlay = CONFIG) -> MotorLearner:
    torch.manual_seed(0)
    return MotorLearner(SIZES, config, seed=0)


def _turned(sign: float) -> float:
    """How much more the likeliest chunk's first axis is where the feature is positive than where it is negative."""
    learner, rng = _made(), np.random.default_rng(0)
    for _ in range(8):
        learner.update(_rollout(rng, 10, sign=sign))
    condition, nothing = torch.tensor([[1.2, 0.0], [-1.2, 0.0]]), torch.zeros(2, 28)
    with torch.no_grad():
        chunks = learner.learner.student(condition, nothing, nothing, torch.zeros(2, 4))
    return float(chunks[0, 0] - chunks[1, 0])


def test_the_student_does_what_gained_whichever_way_that_is() -> None:
    assert _turned(1.0) > 0.5
    assert _turned(-1.0) < -0.5


def test_critics_and_student_rest_while_flow_and_value_begin_and_the_pilot_always_stays() -> None:
    learner, rng = _made(), np.random.default_rng(0)
    given = learner.weights() | {"pilot.join": np.arange(3.0, dtype=np.float32)}
    learner.take_weights(given)

    def changed() -> set[str]:
        return {name.split(".")[0] for name, t in learner.weights().items() if not np.array_equal(t, given[name])}

    few = learner.update(_rollout(rng, 2))
    assert few == {"cpqe_chunks": float(learner.held)} and 0 < learner.held < CONFIG.min_chunks
    rests = learner.update(_rollout(rng, 12))
    assert rests["cpqe_flow_updates"] == rests["cpqe_value_updates"] > 0 and changed() == set()
    for _ in range(2):
        figures = learner.update(_rollout(rng, 12))
    assert figures["cpqe_flow_updates"] == CONFIG.rest + figures["cpqe_student_updates"] > CONFIG.rest
    assert {"cpqe_critic_loss", "cpqe_flow_loss", "cpqe_student_loss", "cpqe_value"} <= figures.keys()
    assert changed() == {"student", "critics"} and learner.why_unsound() == ""


def test_the_oldest_chunks_go_where_there_are_too_many() -> None:
    learner, rng = _made(), np.random.default_rng(0)
    learner.max_chunks = 100
    for _ in range(5):
        learner.update(_rollout(rng, 5))
    assert 60 < learner.held <= 100


def test_buttons_are_one_or_minus_one_and_rewards_stay_where_they_were() -> None:
    rollout = _rollout(np.random.default_rng(0), 2)
    rollout.actions_disc[3] = 0, 1, 0
    played = played_of(rollout)
    assert played.action.shape == (20, 4 + len(MOTOR_ACTIONS.branches))
    assert played.action[3, 4:].tolist() == [-1.0, 1.0, -1.0] and played.playing.all()
    assert np.array_equal(played.reward, rollout.rewards) and played.terminated.sum() == 2


def test_other_weights_are_taken_up_whole_or_not_at_all() -> None:
    learner, other, rng = _made(), _made(), np.random.default_rng(0)
    for _ in range(3):
        learner.update(_rollout(rng, 12))
    other.take_weights(learner.weights())
    assert all(np.array_equal(t, other.weights()[name]) for name, t in learner.weights().items())
    targets = module_tensors(other.learner.targets, "")
    assert all(torch.equal(t, targets[name]) for name, t in module_tensors(other.learner.critics, "").items())
    learner.take_weights(learner.weights())
    assert learner.learner.optimisers["student"].state, "the same weights keep their moments"
    learner.take_weights(_made().weights(), keep_moments=True)
    assert learner.learner.optimisers["student"].state
    learner.take_weights(other.weights())
    assert not learner.learner.optimisers["student"].state

    def refused(changes: dict[str, Any], match: str) -> None:
        before = learner.weights()
        given = {name: t for name, t in (before | changes).items() if t is not None}
        with pytest.raises(WeightsError, match=match):
            learner.take_weights(given)
        assert all(np.array_equal(t, before[name]) for name, t in learner.weights().items())

    refused({"student.net.out.bias": None}, r"student\.net\.out\.bias of a motor is missing")
    refused({"student.net.out.bias": np.zeros(3, np.float32)}, "student.net.out.bias")
    refused({"critics.bins": np.full_like(learner.weights()["critics.bins"], np.nan)}, "not finite")


def test_a_state_goes_on_where_it_was_and_one_that_lacks_something_is_refused() -> None:
    learner, other, rng = _made(), _made(), np.random.default_rng(0)
    for _ in range(3):
        learner.update(_rollout(rng, 12))
    state = {name: t.clone() for name, t in learner.tensors().items()}
    other.load_tensors(state)
    assert other.learner.updates == learner.learner.updates
    with pytest.raises(WeightsError, match="missing in the state"):
        other.load_tensors({name: t for name, t in state.items() if name != "flow.net.out.bias"})
