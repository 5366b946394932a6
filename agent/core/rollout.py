"""A stretch of play by one policy in one game, as arrays: what workers send and learners learn from.

The time of every field is fixed here and nowhere else: the action of row t is taken *at* `obs[t]`; `rewards[t]`,
`terminated[t]` and `truncated[t]` are what followed it; `is_first[t]` and `elapsed_s[t]` belong to `obs[t]`.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.types import FloatArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
MAX_STEPS: Final = 1 << 20
OFF_POLICY_SPREAD: Final = 0.4
"""Share of a policy's own spread that play draws its axes with for a learner off policy, and that this reckons with."""
RANGES: Final = {
    "obs": (-1e9, 1e9), "final_obs": (-1e9, 1e9), "actions_cont": (-10.0, 10.0), "rewards": (-1e9, 1e9),
    "elapsed_s": (0.0, 1e7), "log_probs": (-1e6, 1e6), "values": (-1e12, 1e12), "carry": (-1e6, 1e6),
    "outcome_rewards": (-1e9, 1e9),
}  # fmt: skip
"""What numbers of a rollout may be: with larger ones sums and squares of float32 are not finite any more."""


class ActionSpec(msgspec.Struct, frozen=True):
    """What an action is: `continuous` axes in −1 … 1, and one choice of each of `branches`."""

    continuous: int = 0
    branches: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Numbers in an action written out: the axes, then each branch one-hot."""
        return self.continuous + sum(self.branches)


MOTOR_ACTIONS: Final = ActionSpec(4, (2, 2, 2))
"""A motor's: move and look; fire, ability, interact. Cards are its pilot's."""


class Rollout(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """T steps in order; episodes may end within, and the next row then begins another.

    obs f32 [T, D]; actions_cont f32 [T, C] as executed, −1 … 1; actions_disc i64 [T, B], one index for each branch;
    rewards f32 [T]; terminated, truncated, is_first bool [T]; elapsed_s f32 [T], seconds from the observation before
    `obs[t]` to it, by the game's clock, 0 where is_first.
    final_obs f32 [K, D]: what was seen after each step of `is_cut`, in order: every step that ended an episode or whose
    next row is first of another, and the last row; where nobody saw it, the step's own obs.
    log_probs, values f32 [T] are the behaviour policy's; action_masks bool [T, sum(branches)] is True where a choice
    was allowed; absent where all are. carry f32 [U]: the behaviour policy's memory before the first row, absent: none.
    outcome_rewards f32 [T]: what outcomes of choices are counted in, absent: rewards.
    """

    instance: str
    policy: str
    policy_version: int
    obs: FloatArray
    actions_cont: FloatArray
    actions_disc: IntArray
    rewards: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    is_first: BoolArray
    elapsed_s: FloatArray
    final_obs: FloatArray
    log_probs: FloatArray | None = None
    values: FloatArray | None = None
    action_masks: BoolArray | None = None
    carry: FloatArray | None = None
    outcome_rewards: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.obs)

    @property
    def is_last(self) -> BoolArray:
        """bool [T]: the step ended its episode."""
        return self.terminated | self.truncated

    @property
    def is_cut(self) -> BoolArray:
        """bool [T]: what followed the step is a row of `final_obs`, not the next row."""
        cut: BoolArray = self.is_last | np.append(self.is_first[1:], True)
        return cut

    def next_obs(self) -> FloatArray:
        """f32 [T, D]: what was seen after each step."""
        after = np.concatenate([self.obs[1:], self.obs[-1:]])
        after[self.is_cut] = self.final_obs
        return after


def check_rollout(rollout: Rollout, features: int, spec: ActionSpec) -> str:
    """Why a rollout cannot be learned from, or "" where it can: shapes, types, `RANGES`, indices, order."""
    steps = len(rollout.obs)
    if not 0 < steps <= MAX_STEPS:
        return f"{steps} steps; 1 to {MAX_STEPS} are taken"
    if not len(rollout.terminated) == len(rollout.truncated) == len(rollout.is_first) == steps:
        return f"terminated, truncated and is_first have not {steps} rows each, as obs has"
    cuts = int(rollout.is_cut.sum())
    wanted: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "obs": ((steps, features), np.float32),
        "actions_cont": ((steps, spec.continuous), np.float32),
        "actions_disc": ((steps, len(spec.branches)), np.int64),
        "rewards": ((steps,), np.float32),
        "terminated": ((steps,), np.bool_),
        "truncated": ((steps,), np.bool_),
        "is_first": ((steps,), np.bool_),
        "elapsed_s": ((steps,), np.float32),
        "final_obs": ((cuts, features), np.float32),
        "log_probs": ((steps,), np.float32),
        "values": ((steps,), np.float32),
        "action_masks": ((steps, sum(spec.branches)), np.bool_),
        "outcome_rewards": ((steps,), np.float32),
    }
    for name, (shape, dtype) in wanted.items():
        array = getattr(rollout, name)
        if array is None:
            continue
        if array.shape != shape or array.dtype != dtype:
            return f"{name} is {array.dtype} {list(array.shape)}, not {np.dtype(dtype)} {list(shape)}"
        reason = _out_of_range(name, array) if dtype is np.float32 and array.size else ""
        if reason:
            return reason
    if rollout.carry is not None and rollout.carry.size and (reason := _out_of_range("carry", rollout.carry)):
        return reason
    for branch, choices in enumerate(spec.branches):
        column = rollout.actions_disc[:, branch]
        if column.min() < 0 or column.max() >= choices:
            return f"actions_disc, branch {branch}, holds {column.min()} to {column.max()}; there are {choices} choices"
    if (rollout.is_last[:-1] & ~rollout.is_first[1:]).any():
        return "is_first is False right after an episode's end"
    return ""


def _out_of_range(name: str, array: FloatArray) -> str:
    """Why the numbers of a field cannot be learned from, or ""."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(low + high):
        return f"{name} holds a number that is not finite" if not np.isfinite(array).all() else f"{name} is too large"
    minimum, maximum = RANGES[name]
    if low < minimum or high > maximum:
        return f"{name} holds {low:g} to {high:g}; {minimum:g} to {maximum:g} is taken"
    return ""
