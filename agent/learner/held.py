"""How much memory the learners of policies take, known before they are made, and how much all of them may take.

Estimates are a little above what networks, optimisers and a full replay take. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psutil

from agent.core.errors import RequestError
from agent.core.rollout import ActionSpec
from agent.learning.configs import PolicySpec, replay_rows
from agent.models.sizes import TINY

_NUMBERS: Final = 700_000
_NUMBERS_OF_A_FEATURE: Final = 400
_NUMBERS_OF_AN_ACTION: Final = 650
"""Weights of policy, world model and dreams: of any shape, for each feature, and for each number of an action."""
_BYTES_OF_A_NUMBER: Final = 16
"""The weight, its gradient and two moments."""
_ROW_BYTES: Final = 4 * TINY["deter"] + 128
MIN_HELD_BYTES: Final = 2 << 30


def learner_bytes(policy_spec: PolicySpec) -> int:
    """Bytes that the learners of one policy take, with a full replay."""
    features, width = policy_spec.features, ActionSpec(policy_spec.continuous, policy_spec.branches).width
    numbers = _NUMBERS + _NUMBERS_OF_A_FEATURE * features + _NUMBERS_OF_AN_ACTION * width
    row = 4 * features + 5 * width + _ROW_BYTES
    return _BYTES_OF_A_NUMBER * numbers + row * replay_rows(features, width)


def max_learner_bytes() -> int:
    """Bytes that all learners together may take: half of this machine's memory, at least 2 GiB."""
    return max(MIN_HELD_BYTES, int(psutil.virtual_memory().total) // 2)


def check_room(policy_spec: PolicySpec, held: Iterable[PolicySpec], max_bytes: int | None = None) -> None:
    """Raise RequestError(503) where the learners of one more policy would take more than `max_bytes` with the others.

    max_bytes: as `max_learner_bytes`, where it is not told.
    """
    max_bytes = max_learner_bytes() if max_bytes is None else max_bytes
    others, more = sum(learner_bytes(each) for each in held), learner_bytes(policy_spec)
    if others + more > max_bytes:
        raise RequestError(
            503,
            f"policy {policy_spec.name}: its learners may take {more >> 20} MiB, those of others {others >> 20}; "
            f"at most {max_bytes >> 20} MiB are taken on this machine",
        )
