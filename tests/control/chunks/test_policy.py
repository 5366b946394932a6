"""A motor as a policy: each action of a chunk once and in order, held between decisions, and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.concurrency.lane import Lane
from agent.control.arrays import STILL
from agent.control.chunks.policy import BEST_OF_8, COMMITTED, KIND, ChunkCarry, ChunkMotor
from agent.control.policies import SHIPPED, SHIPPED_MOTOR, build_policy
from agent.control.reflex.network import Tensors
from agent.core.clock import TICK_S, VirtualClock
from agent.core.errors import WeightsError
from agent.core.goals.progress import Tally, begin
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.core.types import Action, FloatArray, Observation
from agent.session.step_runner import StepRunner
from agent.store.reload import Reloader
from agent.store.store import WeightsStore


def _ticks(motor: ChunkMotor, count: int) -> tuple[list[Action], list[tuple[int, int, FloatArray]]]:
    carry, actions, carries = motor.initial(1), [], []
    for tick in range(count):
        seen = Observation(0, STILL, None, tick, TICK_S, 0.0, 0.0, tick == 0, False, False)
        carry, (action,) = motor.step(carry, [seen])
        assert action is not None and isinstance(carry[0], ChunkCarry)
        actions.append(action)
        running = carry[0].running
        assert running is not None
        carries.append((carry[0].plans, running.taken, running.rows))
    return actions, carries


def test_every_action_of_a_chunk_is_executed_once_and_in_order(tensors: Tensors) -> None:
    motor = ChunkMotor(tensors, seed=1)
    ticks = int(motor.reflex.ticks)
    actions, carries = _ticks(motor, 40 * ticks)
    decisions = carries[::ticks]
    assert [(plans, taken) for plans, taken, _ in decisions] == [
        (1 + i // COMMITTED, 1 + i % COMMITTED) for i in range(40)
    ]
    for tick, (action, (_, taken, chunk)) in enumerate(zip(actions, carries, strict=True)):
        wanted = chunk[taken - 1]
        assert np.allclose([*action.move, *action.look], wanted[:4]), tick
        assert [action.fire, action.ability] == (wanted[4:6] > 0).tolist()
        assert action.interact >= (wanted[6] > 0)


def test_an_episode_is_the_same_to_the_bit(tensors: Tensors) -> None:
    def played(seed: int, name: str) -> list[tuple[float, ...]]:
        return [(*a.move, *a.look) for a in _ticks(ChunkMotor(tensors, seed=seed, name=name), 60)[0]]

    assert played(3, BEST_OF_8) == played(3, BEST_OF_8) != played(4, BEST_OF_8)
    assert played(3, KIND) == played(4, KIND) != played(3, BEST_OF_8)


def test_a_subgoal_that_motors_know_changes_what_is_done(tensors: Tensors) -> None:
    def played(subgoal: Subgoal | None) -> list[tuple[float, ...]]:
        motor = ChunkMotor(tensors)
        if subgoal is not None:
            motor.pursue(0, begin(subgoal, Tally(), STILL, 0.0), None)
        assert motor.capabilities.subgoals is motor
        return [(*a.move, *a.look) for a in _ticks(motor, 12)[0]]

    plain = played(None)
    assert played(Subgoal(SubgoalKind.OPEN, "chest")) != plain
    assert played(Subgoal(SubgoalKind.OPEN, "chest")) != played(Subgoal(SubgoalKind.BOSS))
    assert played(Subgoal(SubgoalKind.KILL)) == plain, "motors are not trained on it"


def test_new_weights_act_from_the_next_decision_on(tensors: Tensors) -> None:
    motor = ChunkMotor(tensors, seed=1)
    other = {n: t * 0 if n == "student.net.out.weight" else t for n, t in tensors.items()}
    bias = np.zeros_like(other["student.net.out.bias"])
    motor.load(motor.prepare(other | {"student.net.out.bias": bias}, "here"), 7)
    assert motor.version == 7
    actions, _ = _ticks(motor, 8)
    assert all(action.move == (0.0, 0.0) for action in actions)


def test_a_motor_s_file_may_take_the_place_of_the_weights_that_act(tmp_path: Path) -> None:
    motor, lane = build_policy("motor"), Lane("disk")
    assert isinstance(motor, ChunkMotor)
    reloader = Reloader(motor, WeightsStore(tmp_path), StepRunner(lane, may_move=lambda: False), lane, VirtualClock())
    try:
        _, found = reloader.read_file(SHIPPED_MOTOR)
        with pytest.raises(WeightsError, match="holds a pilot, a motor is needed"):
            reloader.read_file(SHIPPED)
    finally:
        lane.close()
    assert found.keys() == motor.tensors.keys()


@pytest.mark.parametrize("name", ["student.net.inner.1.weight", "critics.members.4.out.bias", "critics.bins"])
def test_weights_of_other_widths_are_refused(tensors: Tensors, name: str) -> None:
    with pytest.raises(WeightsError, match="not the tensors of a motor"):
        ChunkMotor(tensors | {name: tensors[name][..., :-1].copy()})


@pytest.mark.parametrize("name", ["student.net.inner.0.weight", "student.net.out.weight", "critics.bins"])
def test_weights_with_other_axes_are_refused(tensors: Tensors, name: str) -> None:
    other = tensors[name].reshape(-1, 1) if tensors[name].ndim == 1 else tensors[name].ravel()
    with pytest.raises(WeightsError, match=rf"not the tensors of a motor: {name} has \d axes"):
        ChunkMotor(tensors | {name: other})


def test_weights_that_are_not_finite_are_refused(tensors: Tensors) -> None:
    broken = np.full_like(tensors["student.net.out.bias"], np.nan)
    with pytest.raises(WeightsError, match="not finite"):
        ChunkMotor(tensors | {"student.net.out.bias": broken})
