"""A captured step without a card: fixed buffers, weights exchanged under it, and the names of what ran."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
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
from agent.session.captured import CapturedStep, OnCard, live_tensors
from kernels.jit import KernelUnavailable
from kernels.plan import plan
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


NAME = "dry run: cfc_cell reference ×1, w4a16_linear reference ×5"
STEPS = {"numba fp32": 20.0, NAME: 5.0}
SEEN = Observation(0, STILL, None, 0, 0.1, 0.0, 0.0, True, False, False)


def four_bit(seed: int) -> dict[str, Any]:
    return round_four(untrained_tensors(seed), "int4")


def on_card(policy: Motor, device: Callable[[], Any] = Dry, measured: dict[str, float] | None = STEPS) -> list[str]:
    """What was said when this pilot was placed."""
    said: list[str] = []
    policy.place_by(OnCard(device, SystemClock().now_s, said.append, measured=measured))
    return said


def moves(policy: Motor) -> list[tuple[float, ...]]:
    """Three steps from no memory."""
    carry, done = policy.initial(1), []
    for _ in range(3):
        action = policy.step(carry, [SEEN])[1][0]
        assert action is not None
        done.append((*action.move, *action.look))
    return done


def test_a_pilot_on_a_card_decides_as_on_the_processor_and_stays_there_over_exchanges_of_weights() -> None:
    """Back to the first weights as well: a recording that was overwritten is not what a roll-back takes up."""
    policy = Motor(four_bit(1))
    assert on_card(policy) == [] and path_of(policy)["path"] == NAME
    first, second = policy.prepare(four_bit(1), "one"), policy.prepare(four_bit(2), "two")
    wanted = {seed: np.array(moves(Motor(four_bit(seed)))) for seed in (1, 2)}
    assert np.abs(wanted[1] - wanted[2]).max() > 1e-3
    for version, (seed, prepared) in enumerate([(1, first), (2, second), (1, first)], 1):
        policy.load(prepared, version)
        assert path_of(policy)["path"] == NAME and policy.version == version
        assert np.array(moves(policy)) == pytest.approx(wanted[seed], abs=1e-4)
    policy.load(policy.prepare(untrained_tensors(2), "of full precision"), 4)
    assert path_of(policy)["path"] == "numba fp32" and policy.capabilities.never_waits
    policy.load(policy.prepare(four_bit(2), "of four bits again"), 5)
    assert path_of(policy)["path"] == NAME and not policy.capabilities.never_waits


class Broken(Dry):
    """A card on which nothing can be recorded."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def capture(self, work: Callable[[], None]) -> None:
        raise self._error


NO_TRITON, NO_MEMORY = KernelUnavailable("cfc_cell_kernel needs Triton"), torch.OutOfMemoryError("no room")


@pytest.mark.parametrize("error", [NO_TRITON, NO_MEMORY, AssertionError("no libcuda")])
def test_a_card_that_cannot_record_the_step_is_named_and_the_processor_decides(error: Exception) -> None:
    policy = Motor(four_bit(1))
    said = on_card(policy, lambda: Broken(error))
    assert len(said) == 1 and str(error) in said[0] and "the processor does" in said[0]
    shown = path_of(policy)
    assert shown["path"] == "numba fp32" and str(error) in shown["without_card"]
    policy.load(policy.prepare(four_bit(2), "a test"), 1)
    assert len(said) == 1 and str(error) in path_of(policy)["without_card"] and moves(policy)


def test_a_card_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a card: the operation's plan refuses, in the middle of the step."""

    def refuses(*given: object) -> object:
        return plan("w4a16_linear", 1, 8, 8, 75)

    monkeypatch.setattr("agent.models.kernel_pilot.w4a16_linear", refuses)
    policy = Motor(four_bit(1))
    assert "compute capability 7.5: 8.0 or newer is needed" in on_card(policy)[0]
    assert path_of(policy)["path"] == "numba fp32"


def test_without_a_card_nothing_is_said() -> None:
    policy = Motor(four_bit(1))
    assert on_card(policy, lambda: None) == [] and "without_card" not in path_of(policy)


@pytest.mark.slow
def test_a_card_that_is_slower_is_not_chosen() -> None:
    policy = Motor(four_bit(1))
    assert on_card(policy, Dry, None) == []
    shown = path_of(policy)
    assert shown["path"] == "numba fp32" and shown["weights"] == "int4" and len(shown["measured_us"]) == 2
