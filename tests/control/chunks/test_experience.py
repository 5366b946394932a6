"""What a motor writes down of its play: each decision once, as it was made and executed, and what it was paid."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import numpy as np

from agent.control.arrays import STILL
from agent.control.chunks.experience import PaidSubgoals
from agent.control.chunks.policy import BEST_OF_8, GOAL_REWARD, KIND, TRAINED, ChunkCarry, ChunkMotor
from agent.control.reflex.network import Tensors
from agent.control.reward import RewardTable
from agent.core.clock import TICK_S
from agent.core.goals.progress import Tally, begin
from agent.core.rollout import MOTOR_ACTIONS, Rollout, check_rollout
from agent.core.types import Action, GameState, Menu, Observation
from tests.control.chunks.conftest import SIZES

TICKS = 4
MENU = msgspec.structs.replace(
    STILL, is_paused=True, current_menu=Menu.LEVEL_UP, level_up_options=("Bow +1 projectile", "Might Tome", "Sword")
)


def _seen(tick: int, state: GameState = STILL, *, ends: bool = False) -> Observation:
    return Observation(0, state, None, tick, TICK_S if tick else 0.0, 0.0, 0.0, tick == 0, ends, ends)


def _played(
    tensors: Tensors, states: list[GameState], *, name: str = KIND, steps: int = 4, learns: bool = True
) -> tuple[list[Rollout], list[Action], ChunkMotor]:
    motor, rollouts, actions = ChunkMotor(tensors, seed=1, name=name), list[Rollout](), []
    if learns:
        motor.learn(("game",), rollouts.append, steps=steps).pay_by(RewardTable())
    carry = motor.initial(1)
    for tick, state in enumerate(states):
        carry, (action,) = motor.step(carry, [_seen(tick, state)])
        assert action is not None
        actions.append(action)
    return rollouts, actions, motor


def test_every_decision_of_play_is_written_down_as_it_was_executed(tensors: Tensors) -> None:
    for name in (KIND, BEST_OF_8):
        rollouts, actions, motor = _played(tensors, [STILL] * (9 * TICKS), name=name)
        assert len(rollouts) == 2 and motor.recorder is not None and motor.recorder.off_policy
        features = SIZES.features + SIZES.goal
        assert [check_rollout(r, features, MOTOR_ACTIONS) for r in rollouts] == ["", ""]
        executed = actions[::TICKS][:8]
        axes = np.concatenate([r.actions_cont for r in rollouts])
        assert np.allclose(axes, [[*a.move, *a.look] for a in executed])
        pressed = np.concatenate([r.actions_disc for r in rollouts])
        assert pressed.tolist() == [[int(a.fire), int(a.ability), int(a.interact)] for a in executed]
        assert rollouts[0].is_first.tolist() == [True, False, False, False]
        assert np.allclose(rollouts[1].elapsed_s, TICKS * TICK_S) and np.array_equal(
            rollouts[0].final_obs[-1], rollouts[1].obs[0]
        )


def test_what_is_tried_goes_on_from_decision_to_decision_and_without_a_learner_nothing_is(tensors: Tensors) -> None:
    states = [STILL] * (30 * TICKS)
    tried = [a.move[0] for a in _played(tensors, states)[1][::TICKS]]
    plain = [a.move[0] for a in _played(tensors, states, learns=False)[1][::TICKS]]
    assert tried == [a.move[0] for a in _played(tensors, states)[1][::TICKS]] != plain
    noise = np.array(tried) - np.array(plain)
    assert 0.0 < np.abs(np.diff(noise)).mean() < 0.7 * np.abs(noise).mean(), "it does not jump"


def test_a_menu_is_no_decision_of_the_motor(tensors: Tensors) -> None:
    states = [STILL] * (2 * TICKS) + [MENU] * (3 * TICKS) + [STILL] * (3 * TICKS)
    rollouts, actions, motor = _played(tensors, states, steps=4)
    assert len(rollouts) == 1 and motor.recorder is not None and motor.recorder.rows_total == 5
    after = 5 * TICKS
    assert np.allclose(rollouts[0].actions_cont[2], [*actions[after].move, *actions[after].look])


def test_the_memory_stays_where_an_end_is_only_looked_at(tensors: Tensors) -> None:
    """At a time limit what is seen of the end is written down; nothing of the carry may change by that."""
    motor = ChunkMotor(tensors, seed=1)
    motor.learn(("game",), lambda rollout: None)
    carry = motor.initial(1)
    for tick in range(TICKS + 1):
        carry, _ = motor.step(carry, [_seen(tick)])
    (one,) = carry
    assert isinstance(one, ChunkCarry)
    before = one.hidden.copy()
    seen = motor._seen(one, _seen(TICKS + 1, ends=True))
    assert seen.shape == (SIZES.features + SIZES.goal,) and np.array_equal(one.hidden, before)


def test_a_subgoal_pays_what_it_gained_while_it_is_pursued(tensors: Tensors) -> None:
    opened = msgspec.structs.replace(STILL, current_menu=Menu.CHEST)
    motor = ChunkMotor(tensors)
    number = TRAINED.index(next(g for g in TRAINED if g.what == "chest"))

    def paid(pursues: bool) -> list[float]:
        motor.pursue(0, begin(TRAINED[number], Tally(), STILL, 0.0) if pursues else None, None)
        rewards = PaidSubgoals(SimpleNamespace(of=lambda o: 0.5), GOAL_REWARD, lambda: motor._number_of_pursued(0))
        return [rewards.of(_seen(tick, state)) for tick, state in enumerate((STILL, opened, opened, STILL, opened))]

    chest = 0.5 + GOAL_REWARD[number]
    assert paid(True) == [0.5, chest, 0.5, 0.5, chest]
    assert paid(False) == [0.5] * 5
