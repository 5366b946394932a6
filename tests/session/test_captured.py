"""A captured step without a card: fixed buffers, weights exchanged under it, and the names of what ran."""

from __future__ import annotations

import pytest
import torch

from agent.concurrency.card import Dry
from agent.control.arrays import STILL
from agent.control.motor import Motor
from agent.control.policy import path_of
from agent.control.untrained import untrained_tensors
from agent.core.clock import SystemClock
from agent.core.errors import WeightsError
from agent.core.types import Observation
from agent.models.kernel_pilot import KernelPilot, StepInputs
from agent.models.quantised import round_four
from agent.session.captured import CapturedStep, live_tensors, move_to_card
from tests.models.test_kernel_pilot import inputs

CPU = torch.device("cpu")


def pilot(seed: int, format_: str = "int4") -> KernelPilot:
    tensors = untrained_tensors(seed)
    return KernelPilot(tensors if format_ == "fp32" else round_four(tensors, "int4"), CPU, torch.float32)


def same(a: StepInputs, x: float) -> StepInputs:
    return StepInputs(*(t + x if i == 0 else t for i, t in enumerate(a)))


def test_a_replayed_step_is_the_step_itself_and_keeps_its_buffers() -> None:
    captured, x = CapturedStep(pilot(1), inputs(2), Dry()), inputs(2)
    first = captured.step(x)
    addresses = [t.data_ptr() for t in first]
    wanted = pilot(1).step(x)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(first, wanted, strict=True))
    other = captured.step(same(x, 0.5))
    assert [t.data_ptr() for t in other] == addresses
    assert torch.allclose(other.heads, pilot(1).step(same(x, 0.5)).heads, atol=1e-6)
    assert not torch.allclose(other.heads, wanted.heads, atol=1e-3)


def test_new_weights_are_copied_under_the_recording() -> None:
    live = pilot(1)
    captured, x = CapturedStep(live, inputs(1), Dry()), inputs(1)
    before = captured.step(x).heads.clone()
    addresses = [t.data_ptr() for t in live_tensors(live.weights())]
    captured.reload(pilot(2))
    assert [t.data_ptr() for t in live_tensors(live.weights())] == addresses
    after = captured.step(x).heads
    assert torch.allclose(after, pilot(2).step(x).heads, atol=1e-6)
    assert not torch.allclose(after, before, atol=1e-3)


def test_weights_of_another_format_are_refused_and_change_nothing() -> None:
    captured, x = CapturedStep(pilot(1), inputs(1), Dry()), inputs(1)
    before = captured.step(x).heads.clone()
    with pytest.raises(WeightsError, match="another format"):
        captured.reload(pilot(2, "fp32"))
    assert torch.equal(captured.step(x).heads, before)


def test_another_number_of_games_is_refused() -> None:
    captured = CapturedStep(pilot(1), inputs(1), Dry())
    with pytest.raises(ValueError, match="captured step takes"):
        captured.step(inputs(2))


def test_every_tensor_of_a_pilot_is_known_to_its_recording() -> None:
    live = pilot(1)
    parts = {name: part for name, part in vars(live).items() if name not in ("_tensors", "_plain")}
    held = {t.data_ptr() for t in live_tensors(parts)}
    assert held == {t.data_ptr() for t in live_tensors(live.weights())}


def test_status_names_the_kernels_of_a_step_by_what_ran() -> None:
    shown = CapturedStep(pilot(1), inputs(1), Dry()).as_builtins()
    assert shown["path"] == "dry run"
    assert shown["kernels"] == {"cfc_cell reference": 1, "w4a16_linear reference": 5}


STEPS = {"numba fp32": 20.0, "dry run: cfc_cell reference ×1, w4a16_linear reference ×5": 5.0}


@pytest.mark.slow
def test_a_pilot_on_a_card_decides_as_on_the_processor_and_status_names_its_kernels() -> None:
    plain, moved = (Motor(round_four(untrained_tensors(1), "int4")) for _ in range(2))
    assert move_to_card(moved, Dry(), SystemClock().now_s, measured=STEPS)
    assert path_of(moved)["path"] == "dry run: cfc_cell reference ×1, w4a16_linear reference ×5"
    carries = (plain.initial(1), moved.initial(1))
    seen = Observation(0, STILL, None, 0, 0.1, 0.0, 0.0, True, False, False)
    for _ in range(3):
        one, other = (policy.step(carry, [seen])[1][0] for policy, carry in zip((plain, moved), carries, strict=True))
        assert one is not None and other is not None
        assert one.move == pytest.approx(other.move, abs=1e-4) and one.fire == other.fire
    moved.load(moved.prepare(untrained_tensors(2), "a test"), 3)
    assert path_of(moved)["path"] == "numba fp32" and moved.version == 3


@pytest.mark.slow
def test_a_card_that_is_slower_is_not_chosen() -> None:
    policy = Motor(round_four(untrained_tensors(1), "int4"))
    assert not move_to_card(policy, Dry(), SystemClock().now_s)
    shown = path_of(policy)
    assert shown["path"] == "numba fp32" and shown["weights"] == "int4" and len(shown["measured_us"]) == 2
