"""Where dreams learn: the faster of card and processor, the processor where the card fails, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from agent.commands.play import check_learner_device
from agent.concurrency.card import Dry
from agent.core.errors import RequestError, SettingsError
from agent.core.settings import load_settings
from agent.learner.placement import choose, place_for
from agent.learning.configs import DREAMER, Budget, PolicySpec, learner_budget
from agent.learning.dreamer.recorded import ON_CPU, Place
from agent.learning.learner import PolicyLearner, build_dreams

POLICY_SPEC = PolicySpec(name="d", kind=DREAMER, features=6, continuous=1, branches=(2,))
BUDGET = Budget(world_batch=2, world_length=8)
DRY = Place(torch.device("cpu"), Dry)
MAKE = partial(build_dreams, POLICY_SPEC, BUDGET)


def ticking(*seconds: float) -> Callable[[], float]:
    """A clock whose steps of training take the given times: the trial's of the card, then the processor's."""
    times = iter([t for s in seconds for _ in range(4) for t in (0.0, s)])
    return lambda: next(times)


class Broken(Dry):
    def capture(self, work: Any) -> None:
        raise RuntimeError("out of memory")


def test_the_faster_place_is_taken_and_both_times_are_said() -> None:
    place, why = choose("auto", MAKE, ticking(0.002, 0.008), lambda: DRY)
    assert place is DRY and why == "cpu: 2.0 ms a step on the card, 8.0 ms on the processor"
    place, why = choose("auto", MAKE, ticking(0.009, 0.008), lambda: DRY)
    assert place is ON_CPU and why == "cpu: 9.0 ms a step on the card, 8.0 ms on the processor"


def test_no_card_a_failing_card_and_a_processor_asked_for() -> None:
    clock = ticking(0.001, 0.001)
    assert choose("auto", MAKE, clock, lambda: None) == (ON_CPU, "cpu: torch sees no CUDA card")
    broken = Place(torch.device("cpu"), Broken)
    place, why = choose("auto", MAKE, clock, lambda: broken)
    assert place is ON_CPU and "failed at its trial" in why and "out of memory" in why
    assert choose("cpu", MAKE, clock, lambda: DRY) == (ON_CPU, "cpu: as asked for")
    with pytest.raises(RequestError, match="out of memory"):
        choose("cuda", MAKE, clock, lambda: broken)
    with pytest.raises(RequestError, match="sees no CUDA card"):
        choose("cuda", MAKE, clock, lambda: None)


def test_a_trial_changes_neither_the_dice_nor_the_networks() -> None:
    before = torch.get_rng_state()
    place, _ = choose("cuda", MAKE, ticking(0.001), lambda: DRY)
    assert torch.equal(before, torch.get_rng_state())
    plain, recorded = PolicyLearner(POLICY_SPEC, BUDGET).weights(), PolicyLearner(POLICY_SPEC, BUDGET, place).weights()
    assert all((plain[name] == recorded[name]).all() for name in plain)


def test_a_policy_without_a_world_model_needs_no_trial() -> None:
    policy_spec = PolicySpec(name="f", features=4, branches=(2,))
    place, why = place_for(policy_spec, Budget(use_world=False, device="auto"), ticking())
    assert place is ON_CPU and why == "cpu: no world model learns"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_a_card_that_is_asked_for_and_missing_stops_the_start() -> None:
    settings = load_settings(None, {"METABONK_LEARNER_DEVICE": "cuda"})
    with pytest.raises(SettingsError, match="sees no CUDA card"):
        check_learner_device(settings)
    assert learner_budget(load_settings(None, {})).device == "auto"
    with pytest.raises(SettingsError):
        load_settings(None, {"METABONK_LEARNER_DEVICE": "tpu"})
