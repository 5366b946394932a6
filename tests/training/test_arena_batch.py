"""The arena as a batch against the served pilot: the same runs, decision by decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agent.control import encode
from agent.control.motor import Motor, checked_reflex
from agent.control.reflex.network import decide, squashed
from agent.control.reward import COUNTERS, SCORE
from agent.control.untrained import default_sizes, untrained_tensors
from agent.core.types import Observation
from agent.games.arena.foes import BOSS, add_foe, kind_with_role
from agent.games.arena.game import ArenaGame
from agent.models.heads import likeliest
from agent.models.policies import PilotPolicy
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.teacher import KNOBS, Teacher

torch.set_num_threads(1)


def eager(seed: int) -> dict[str, Any]:
    """An untrained pilot that walks and presses."""
    tensors = untrained_tensors(seed)
    rng = np.random.default_rng(seed)
    for name, scale in (("axes", 0.15), ("buttons", 0.15), ("card.2", 0.5)):
        tensors[f"{name}.weight"] = rng.normal(0, scale, tensors[f"{name}.weight"].shape).astype(np.float32)
    tensors["buttons.bias"] = np.zeros(3, np.float32)
    return tensors


def served(tensors: dict[str, Any], seed: int, ticks: int) -> list[tuple[Any, ...]]:
    """A run by the motor in lock-step: world, menu and encoding after each tick of play."""
    game, motor = ArenaGame(), Motor(tensors, hold=True)
    game.reset(seed, start="run")
    carry, found = motor.initial(1), []
    for tick in range(ticks):
        state = game.state()
        observation = Observation(0, state, None, tick, game.tick_s if tick else 0.0, 0.0, 0.0, tick == 0, False, False)
        carry, actions = motor.step(carry, [observation])
        assert actions[0] is not None and motor.rehearse(carry, observation) in (None, actions[0])
        game.tick(actions[0])
        w = game.world
        found.append((int(w["tick"]), float(w["x"]), float(w["z"]), float(w["hp"]), int(w["kills"]), int(w["level"])))
    return found


def batched(tensors: dict[str, Any], seed: int, decisions: int) -> list[tuple[Any, ...]]:
    """The same run by the same network in a batch, after each decision."""
    batch, reflex = ArenaBatch(1, seed), checked_reflex(tensors, "test")
    hidden, picture, found = np.zeros(64, np.float32), np.zeros(64, np.float32), []
    for _ in range(decisions):
        o = batch.observed
        d = decide(
            reflex, o.self_[0], o.tokens[0], o.mask[0], o.rings[0], o.cards[0], picture, hidden,
            min(float(batch.elapsed_ticks[0]), 30.0),
        )  # fmt: skip
        hidden = d.hidden
        axes, buttons = np.array([squashed(d.axes)], np.float32), (d.buttons > 0).astype(np.int32)[None]
        batch.step(axes, buttons, np.array([np.argmax(d.cards)], np.int32))
        w = batch.records[0]
        found.append((int(w["tick"]), float(w["x"]), float(w["z"]), float(w["hp"]), int(w["kills"]), int(w["level"])))
    return found


@pytest.mark.parametrize("seed", [3, 4])
def test_a_run_in_a_batch_is_the_run_that_a_served_pilot_plays(seed: int) -> None:
    tensors = eager(seed)
    by_motor, by_batch = served(tensors, seed, 2000), batched(tensors, seed, 400)
    assert by_batch[-1][5] > 1, "no card was chosen: the run shows too little"
    first_at: dict[int, tuple[Any, ...]] = {}
    for row in by_motor:
        first_at.setdefault(row[0], row)
    # Two compilations of the same rules round differently in the last bit.
    for row in by_batch:
        assert np.allclose(row, first_at[row[0]], atol=0.01), row


def test_a_batch_encodes_what_a_state_encodes() -> None:
    batch, teacher = ArenaBatch(4, 7), Teacher()
    for _ in range(400):
        batch.step(*teacher.act(batch))
    game, out = ArenaGame(), encode.Encoded.empty(1)
    for row in range(4):
        game.worlds.records[0] = batch.records[row]
        game._follow()
        axes, held = batch.axes[row], batch.buttons[row]
        last = encode.Action(
            (float(axes[0]), float(axes[1])), (float(axes[2]), float(axes[3])), *(bool(b) for b in held)
        )
        encode.encode_state(game.state(), float(batch.elapsed_ticks[row]) / 60.0, last, out, 0)
        for name in ("self_", "tokens", "mask", "rings", "cards"):
            assert np.allclose(getattr(out, name)[0], getattr(batch.observed, name)[row], atol=1e-5), name


def towards_boss(knobs: Any, east_m: float) -> float:
    """How far east the teacher walks, −1 … 1, while the boss that it called stands so far east in an empty world."""
    batch = ArenaBatch(1, 5)
    world, rules = batch.records[0], batch.worlds.catalog.rules
    world["drops"] = world["things"] = world["foes"] = 0
    world["boss_state"] = world["boss_left"] = 1
    add_foe(world, rules, kind_with_role(world, rules, BOSS, 0), 0, world["x"] + east_m, world["z"])
    axes, _, _ = Teacher(knobs).act(batch)
    return float(np.sin(world["yaw"] + np.arctan2(axes[0, 0], axes[0, 1])))


def test_the_teacher_goes_to_a_far_boss_and_not_into_a_near_one() -> None:
    assert towards_boss(KNOBS, 25.0) > 0.9
    assert towards_boss(KNOBS, 3.0) < -0.5
    assert towards_boss(KNOBS._replace(hunt=0.0), 25.0) < 0.5


def test_the_policy_that_is_trained_computes_what_the_compiled_one_does() -> None:
    torch.manual_seed(0)
    policy = PilotPolicy(default_sizes())
    tensors = {name: t.numpy() for name, t in policy.pilot.state_dict().items()}
    reflex = checked_reflex(tensors, "test")
    batch, teacher = ArenaBatch(2, 11), Teacher()
    carry, hidden = policy.initial(2), np.zeros((2, 64), np.float32)
    with torch.no_grad():
        for _ in range(40):
            first, elapsed_s = torch.from_numpy(batch.is_first.copy()), torch.from_numpy(batch.elapsed_ticks / 60.0)
            heads, carry = policy(torch.from_numpy(batch.flat())[:, None], carry, first[:, None], elapsed_s[:, None])
            axes, choices = likeliest(heads)
            for row in range(2):
                o = batch.observed
                d = decide(
                    reflex, o.self_[row], o.tokens[row], o.mask[row], o.rings[row], o.cards[row],
                    np.zeros(64, np.float32), hidden[row], min(float(batch.elapsed_ticks[row]), 30.0),
                )  # fmt: skip
                hidden[row] = d.hidden
                assert np.allclose(squashed(d.axes), axes[row, 0].numpy(), atol=1e-4)
                assert d.value == pytest.approx(float(heads.value[row, 0]), abs=1e-3)
                if not batch.in_menu[row]:
                    assert ((d.buttons > 0) == choices[row, 0, :3].numpy()).all()
            batch.step(*teacher.act(batch))


def test_a_dead_run_ends_with_its_loss_and_begins_anew() -> None:
    batch = ArenaBatch(3, 1, weights=COUNTERS)
    batch.records["hp"][1] = 0.5
    batch.records["foes"][1] = 1
    for name, value in (("foe_x", 0.0), ("foe_z", 0.0), ("foe_hp", 50.0), ("foe_kind", 0)):
        batch.records[name][1, 0] = value
    batch.records["foe_y"][1, 0] = batch.records["y"][1]
    still = np.zeros((3, 4), np.float32), np.zeros((3, 3), np.int32), np.zeros(3, np.int32)
    outcome = batch.step(*still)
    assert outcome.is_last.tolist() == outcome.is_terminal.tolist() == [False, True, False]
    assert outcome.reward[1] < -4.5 and len(outcome.ended) == 1 and not outcome.ended[0].won
    assert batch.is_first.tolist() == [False, True, False] and batch.records["hp"][1] > 1
    after = batch.step(*still)
    assert not after.is_last.any() and abs(float(after.reward[1])) < 0.1


def test_a_batch_pays_as_play_does_and_shapes_by_what_play_shows() -> None:
    game, batch, teacher = ArenaGame(), ArenaBatch(1, 4), Teacher()
    before = after = batch.records["time_s"][0]
    paid = shaped = 0.0
    potentials = [float(batch._counted()[0, 4])]
    for _ in range(300):
        outcome = batch.step(*teacher.act(batch))
        paid, shaped = paid + float(outcome.reward[0]), shaped + float(outcome.potential[0])
        after = batch.records["time_s"][0]
        potentials.append(float(batch._counted()[0, 4]))
    assert paid == pytest.approx((after - before) / 60.0, abs=1e-5) and after > 5.0
    expected = sum(SCORE.gamma * b - a for a, b in zip(potentials, potentials[1:], strict=False))
    assert shaped == pytest.approx(expected, abs=1e-4) and potentials[-1] != potentials[0]
    game.worlds.records[0] = batch.records[0]
    state = game.state()
    assert state.run is not None and batch.records["stage"][0] == batch.records["boss_state"][0] == 0
    shown = SCORE.potential(state.run.level + state.run.xp_fraction, state.health / state.max_health, 0.0)
    assert shown == pytest.approx(potentials[-1], abs=1e-5)


def test_the_score_cap_cuts_a_run_without_a_death() -> None:
    batch = ArenaBatch(1, 1)
    batch.records["time_s"][0] = 1199.99
    batch.records["mortal"][0] = 0
    outcome = batch.step(np.zeros((1, 4), np.float32), np.zeros((1, 3), np.int32), np.zeros(1, np.int32))
    assert outcome.is_last[0] and not outcome.is_terminal[0]
    assert outcome.ended[0].score_s == 1200.0 and not outcome.ended[0].won
