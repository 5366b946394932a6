"""Rollouts: what belongs to which row, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from agent.core.rollout import ActionSpec, Rollout, check_rollout

SPEC = ActionSpec(2, (2, 3))


def counter_rollout(steps: int, length: int) -> Rollout:
    """A game that shows a count and adds the action to it; an episode has `length` steps, the last row cuts one."""
    shown, added, after, first, last = [], [], [], [], []
    count, age = 0, 0
    for step in range(steps):
        first.append(age == 0)
        shown.append(count)
        added.append(step % 3)
        count, age = count + step % 3, age + 1
        last.append(age == length)
        if age == length or step == steps - 1:
            after.append(count)
            count, age = 0, 0
    column = lambda values: np.array(values, np.float32)[:, None]
    return Rollout(
        instance="g", policy="p", policy_version=0,
        obs=column(shown), actions_cont=np.zeros((steps, 2), np.float32),
        actions_disc=np.stack([np.zeros(steps, np.int64), np.array(added, np.int64)], 1),
        rewards=np.array(added, np.float32), terminated=np.array(last), truncated=np.zeros(steps, np.bool_),
        is_first=np.array(first), elapsed_s=np.full(steps, 0.1, np.float32), final_obs=column(after),
    )  # fmt: skip


@pytest.mark.parametrize(("steps", "length"), [(1, 5), (7, 3), (12, 4), (5, 1)])
def test_the_action_of_a_row_is_taken_at_its_observation(steps: int, length: int) -> None:
    rollout = counter_rollout(steps, length)
    assert check_rollout(rollout, 1, SPEC) == ""
    assert np.array_equal(rollout.next_obs()[:, 0], rollout.obs[:, 0] + rollout.actions_disc[:, 1])
    shifted = np.roll(rollout.actions_disc[:, 1], 1)
    if steps > 2:
        assert not np.array_equal(rollout.next_obs()[:, 0], rollout.obs[:, 0] + shifted)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"obs": np.zeros((6, 2), np.float32)}, "obs is"),
        ({"rewards": np.zeros(6, np.float64)}, "rewards is float64"),
        ({"rewards": np.array([0, 0, np.nan, 0, 0, 0], np.float32)}, "not finite"),
        ({"actions_disc": np.full((6, 2), 2, np.int64)}, "branch 0"),
        ({"final_obs": np.zeros((3, 1), np.float32)}, "final_obs"),
        ({"truncated": np.zeros(5, np.bool_)}, "6 rows"),
        ({"values": np.zeros(5, np.float32)}, "values"),
        ({"is_first": np.zeros(6, np.bool_)}, "is_first is False"),
        ({"action_masks": np.ones((6, 4), np.bool_)}, "action_masks"),
    ],
)
def test_a_rollout_that_does_not_fit_is_refused_with_its_reason(change: dict[str, Any], said: str) -> None:
    rollout = msgspec.structs.replace(counter_rollout(6, 3), **change)
    assert said in check_rollout(rollout, 1, SPEC)
