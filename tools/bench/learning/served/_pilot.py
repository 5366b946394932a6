"""The pilot that plays, as its learner is told of it; and nothing beside it."""

from __future__ import annotations

from typing import Final

from agent.control.experience import ACTIONS, FEATURES
from agent.control.untrained import default_sizes
from agent.learning.configs import PILOT, PolicySpec

OWN: Final = {"METABONK_USE_ACTIVE_INFERENCE": "0"}
"""Cards by outcomes are no part of what these benches measure."""


def spec_of_pilot(seed: int = 0) -> PolicySpec:
    """The outline of the pilot that plays."""
    return PolicySpec(
        name="pilot", kind=PILOT, features=FEATURES, continuous=ACTIONS.continuous, branches=ACTIONS.branches,
        sizes=default_sizes(), seed=seed, plays=True,
    )  # fmt: skip
