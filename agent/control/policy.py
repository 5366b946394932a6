"""What a policy is: observations of several games in, one action for each out, all state explicit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from agent.core.types import Action, Observation


class Policy(Protocol):
    """A player of several games at once.

    `step` is called on one thread only. An action that was computed from an observation carries the observation's
    sequence in `answers`.
    """

    @property
    def name(self) -> str:
        """Short name shown to people and written to reports."""
        ...

    def warm_up(self) -> None:
        """Do once whatever would make the first step slow."""
        ...

    def initial(self, games: int) -> Any:
        """The carry before the first step of `games` games."""
        ...

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One action for each game that has an observation, None for the others."""
        ...
