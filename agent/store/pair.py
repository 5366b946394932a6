"""Two sets of weights of one policy, each in the games that are its own: a champion's and a challenger's.

The challenger is a shallow copy of the policy: it draws from the same source of chance, writes to the same recorder,
and acts on the same carry. Without one, a step is the policy's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from agent.concurrency.supervise import Failure, attempt
from agent.control.policy import Reloadable
from agent.core.types import Action, Observation


class Pair:
    """A policy whose weights are chosen for each game at the start of a run.

    deal: asked at a run's first observation whether the challenger plays it. failed: told why the challenger's step
    raised; the champion then answers its games.
    """

    def __init__(
        self, policy: Reloadable, deal: Callable[[int], bool], failed: Callable[[Failure], None] = lambda failure: None
    ) -> None:
        self.policy = policy
        self._deal, self._failed = deal, failed
        self._challenger: Any = None
        self._games: frozenset[int] = frozenset()

    def challenge(self, prepared: Any, version: int) -> None:
        """Let these weights play runs that begin after this; called between two steps."""
        self._challenger, self._games = copy.copy(self.policy), frozenset()
        self._challenger.load(prepared, version)

    def end(self) -> None:
        """The champion plays all games from the next step on."""
        self._challenger, self._games = None, frozenset()

    def version(self, game: int) -> int:
        """The version that acts in a game."""
        acting = self._challenger if game in self._games else self.policy
        found: int = acting.version
        return found

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One step for the games that have an observation."""
        if self._challenger is None:
            return self.policy.step(carry, observations)
        for o in observations:
            if o is not None and o.is_first:
                self._games = self._games - {o.game} | ({o.game} if self._deal(o.game) else set())
        theirs = [o if o is not None and o.game in self._games else None for o in observations]
        if not any(theirs):
            return self.policy.step(carry, observations)
        step = attempt(lambda: self._challenger.step(carry, theirs))
        if isinstance(step, Failure):
            self.end()
            self._failed(step)
            return self.policy.step(carry, observations)
        carry, actions = step
        ours = [o if theirs[k] is None else None for k, o in enumerate(observations)]
        if any(ours):
            carry, others = self.policy.step(carry, ours)
            actions = [a if a is not None else b for a, b in zip(actions, others, strict=True)]
        return carry, actions
