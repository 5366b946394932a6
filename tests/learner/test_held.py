"""What learners take: estimates are not below what they hold, and what does not fit is refused with the limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agent.core.errors import RequestError
from agent.learner.held import MIN_HELD_BYTES, check_room, learner_bytes, max_learner_bytes
from agent.learning.configs import Budget, PolicySpec, replay_rows
from agent.learning.learner import PolicyLearner


def spec(features: int, branches: tuple[int, ...] = (2, 3)) -> PolicySpec:
    return PolicySpec(name="p", features=features, continuous=2, branches=branches)


def held(learner: PolicyLearner) -> int:
    """Bytes of weights, gradients, two moments and the replay, by looking at everything that the learner holds."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = [*learner.parts]
    n_bytes = 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, torch.nn.Parameter):
            n_bytes += 16 * each.numel()
        elif isinstance(each, torch.nn.Module):
            waiting += each.parameters()
        elif isinstance(each, np.ndarray):
            n_bytes += each.nbytes
        elif isinstance(each, list | tuple):
            waiting += each
        elif type(each).__module__.startswith("agent.") and hasattr(each, "__dict__"):
            waiting += vars(each).values()
    return n_bytes


@pytest.mark.parametrize("shape", [spec(5), spec(2048), spec(5, (1024,) * 2)])
def test_an_estimate_is_no_smaller_than_what_is_held_and_not_far_above(shape: PolicySpec) -> None:
    taken = held(PolicyLearner(shape, Budget()))
    assert taken > 32 << 20 and taken <= learner_bytes(shape) <= 2 * taken


def test_a_replay_of_wide_actions_has_fewer_rows_and_that_of_others_as_many_as_before() -> None:
    assert replay_rows(5, 7) == 100_000 and replay_rows(2048, 7) == (256 << 20) // (4 * 2048)
    assert replay_rows(5, 32 * 1024) * 32 * 1024 * 5 <= 256 << 20


def test_what_does_not_fit_beside_the_others_is_refused_with_the_limit() -> None:
    one = learner_bytes(spec(5))
    check_room(spec(5), [spec(5)], max_bytes=2 * one)
    with pytest.raises(RequestError, match="at most") as refused:
        check_room(spec(5), [spec(5)] * 2, max_bytes=2 * one)
    assert refused.value.status == 503 and max_learner_bytes() >= MIN_HELD_BYTES
    huge = [PolicySpec(name=str(i), features=1 << 16, continuous=64, branches=(1024,) * 32) for i in range(64)]
    with pytest.raises(RequestError):
        check_room(huge[0], huge[1:], max_bytes=16 << 30)
