"""Steps a policy with the skills that fit each game: copies of it with composed weights, swapped between two steps.

A composition is prepared beside play, on the lane of the disk; the step after that acts with it. Without one, and in
every game without a skill that fits, what is inside (champion and challenger) steps as before. Owns the copies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
import structlog

from agent.concurrency.supervise import Failure, attempt
from agent.control.policy import Reloadable, capabilities_of
from agent.core.types import Action, Observation
from agent.planning.goal import Goal
from agent.store.in_play.context import SkillContext, asked_by
from agent.store.skills import Skill

MAX_KEPT: Final = 8
"""Compositions that are kept ready; the one that was not used for longest goes."""
Names = tuple[str, ...]
log = structlog.get_logger(__name__)


class Inner(Protocol):
    """Who steps the games without a skill; see `store.pair`."""

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One step."""
        ...

    def version(self, game: int) -> int:
        """The version that acted in a game in the last step."""
        ...

    def acting(self, game: int) -> Any:
        """The policy that acted in a game in the last step."""
        ...


class Fitting(msgspec.Struct, frozen=True, eq=False):
    """Skills of the weights in force: those of this version, and no other."""

    version: int = -1
    skills: tuple[Skill, ...] = ()


class SkillStepper:
    """A policy with skills. `say` hears of every swap with its reason; goal: what a person wants, None for nothing."""

    def __init__(
        self, policy: Reloadable, inner: Inner, context: SkillContext,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
        goal: Callable[[], Goal | None] = lambda: None,
    ) -> None:  # fmt: skip
        self.policy, self.context, self.goal = policy, context, goal
        self.fitting = Fitting()
        self.swaps = 0
        self.failed: dict[Names, str] = {}
        self._inner, self._say = inner, say
        self._ready: dict[Names, Any] = {}
        self._playing: list[Names] = [()] * len(context.games)
        self._looked: list[tuple[int, int, int, int]] = [(-1, 0, 0, 0)] * len(context.games)
        self._kept = 0
        self._choosing = capabilities_of(policy).chooses_cards

    # --- what fits -------------------------------------------------------------------------------------------------

    def wanted(self, game: int) -> tuple[Names, list[str]]:
        """The skills that fit a game now, sorted, and why each does."""
        fitting = self.fitting
        if fitting.version != self.policy.version:
            return (), []
        triggers, asked = self.context.triggers(game), asked_by(self.goal())
        found = sorted(
            (skill.name, triggers[trigger])
            for skill, trigger in ((s, s.trigger.lower()) for s in fitting.skills)
            if trigger in triggers and (not skill.is_costly or skill.is_asked(asked))
        )
        return tuple(name for name, _ in found), [why for _, why in found]

    def missing(self) -> list[Names]:
        """Compositions that a game wants and that are not ready."""
        wanted = dict.fromkeys(self.wanted(game)[0] for game in range(len(self.context.games)))
        return [names for names in wanted if names and names not in self._ready and names not in self.failed]

    def fit(self, fitting: Fitting) -> None:
        """These skills fit the weights in force; called between two steps."""
        self.fitting = fitting
        self._kept += 1
        self._ready.clear()
        self.failed.clear()

    def make_ready(self, names: Names, prepared: Any, version: int) -> None:
        """Keep a composition ready; called between two steps. version: its number, which no other weights have."""
        played = copy.copy(self.policy)
        played.load(prepared, version)
        self._ready[names] = played
        self._kept += 1
        for old in [n for n in self._ready if n not in self._playing][: max(0, len(self._ready) - MAX_KEPT)]:
            del self._ready[old]

    # --- play ------------------------------------------------------------------------------------------------------

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> tuple[Any, list[Action | None]]:
        """One step of the games that have an observation, each with its skills."""
        for observation in observations:
            if observation is not None:
                self.context.seen(observation)
                self._swap(observation.game)
        actions: list[Action | None] = [None] * len(observations)
        left = list(observations)
        for names in dict.fromkeys(self._playing):
            played = self._ready.get(names)
            theirs = [o if o is not None and self._playing[o.game] == names else None for o in left]
            if played is None or all(o is None for o in theirs):
                continue
            stepped = attempt(lambda played=played, carry=carry, theirs=theirs: played.step(carry, theirs))  # type: ignore[misc]
            if isinstance(stepped, Failure):
                self._give_up(names, stepped)
                continue
            carry, answers = stepped
            actions = [a if a is not None else b for a, b in zip(answers, actions, strict=True)]
            left = [None if theirs[k] is not None else o for k, o in enumerate(left)]
        if any(o is not None for o in left) or not any(o is not None for o in observations):
            carry, answers = self._inner.step(carry, left)
            actions = [a if a is not None else b for a, b in zip(answers, actions, strict=True)]
        if self._choosing is not None:
            for observation in observations:
                if observation is not None:
                    self.context.answered(observation, self._choosing.card(carry, observation.game))
        return carry, actions

    def _swap(self, game: int) -> None:
        """Let the skills that fit play a game; where they are not ready, those before that still fit, or none."""
        looked = (self.context.games[game].changes, self.policy.version, self._kept, id(self.goal()))
        if looked == self._looked[game]:
            return
        self._looked[game] = looked
        names, why = self.wanted(game)
        before = self._playing[game]
        if names and names not in self._ready:
            names = tuple(n for n in before if n in names)
            if names not in self._ready:
                names = ()
            why = ["the others are not ready"]
        if names == before:
            return
        self._playing[game] = names
        self.swaps += 1
        text = (
            f"{' and '.join(names)} play: {'; '.join(why)}" if names else f"no skill plays after {' and '.join(before)}"
        )
        self._say("skills", text, {"game": game, "skills": list(names), "before": list(before)})

    def _give_up(self, names: Names, failure: Failure) -> None:
        """A composition's step raised: it is not used again."""
        self.failed[names] = f"a step raised {failure.reason}"
        self._kept += 1
        self._ready.pop(names, None)
        for game, playing in enumerate(self._playing):
            if playing == names:
                self._playing[game] = ()
        log.warning("skills_given_up", skills=list(names), reason=failure.reason)

    def acting(self, game: int) -> Any:
        """The policy that acted in a game in the last step."""
        return self._ready.get(self._playing[game]) or self._inner.acting(game)

    def version(self, game: int) -> int:
        """The version that acted in a game in the last step."""
        found: int = self.acting(game).version
        return found

    def playing(self, game: int) -> Names:
        """The skills that play a game."""
        return self._playing[game]
