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
    raised; the champion then answers its games. part: told of each game that other weights play from now on.
    """

    def __init__(
        self,
        policy: Reloadable,
        deal: Callable[[int], bool],
        failed: Callable[[Failure], None] = lambda failure: None,
        part: Callable[[int], None] = lambda game: None,
    ) -> None:
        self.policy = policy
        self._deal, self._failed, self._part = deal, failed, part
        self._challenger: Any = None
        self._games: frozenset[int] = frozenset()
        self._ends = False

    def challenge(self, prepared: Any, version: int) -> None:
        """Let these weights play runs that begin after this; called between two steps."""
        self.end()
        self._challenger = copy.copy(self.policy)
        self._challenger.load(prepared, version)

    def end(self) -> None:
        """The champion plays all games from the next step on; called between two steps."""
        for game in self._games:
            self._part(game)
        self._challenger, self._games, self._ends = None, frozenset(), False

    def end_soon(self) -> None:
        """The champion plays all games from the next step on; what acted in the last one can still be asked for."""
        self._ends = True

    def acting(self, game: int) -> Any:
        """The policy that acts in a game."""
        return self._challenger if game in self._games else self.policy

    def version(self, game: int) -> int:
        """The version that acts in a game."""
        found: int = self.acting(game).version
        return found

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One step for the games that have an observation, the challenger's first."""
        if self._ends:
            self.end()
        if self._challenger is None:
            return self.policy.step(carry, observations)
        for o in observations:
            if o is not None and o.is_first:
                self._begin(o.game)
        theirs = [o if o is not None and o.game in self._games else None for o in observations]
        if all(o is None for o in theirs):
            return self.policy.step(carry, observations)
        step = attempt(lambda: self._challenger.step(carry, theirs))
        if isinstance(step, Failure):
            self.end()
            self._failed(step)
            return self.policy.step(carry, observations)
        carry, actions = step
        ours = [o if theirs[k] is None else None for k, o in enumerate(observations)]
        if any(o is not None for o in ours):
            carry, others = self.policy.step(carry, ours)
            actions = [a if a is not None else b for a, b in zip(actions, others, strict=True)]
        return carry, actions

    def _begin(self, game: int) -> None:
        """A run begins."""
        is_theirs = self._deal(game)
        if is_theirs != (game in self._games):
            self._part(game)
            self._games = self._games | {game} if is_theirs else self._games - {game}
