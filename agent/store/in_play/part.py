"""Skills as a part of a session: finds those that fit the weights in force, and prepares compositions beside play."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from agent.concurrency.lane import Lane, Runner
from agent.control.policy import Reloadable
from agent.core.clock import Clock
from agent.core.errors import WeightsError
from agent.core.part import Part
from agent.models.sealed import content_sha256
from agent.store.in_play.stepper import Fitting, Names, SkillStepper
from agent.store.skills import Skill, SkillStore, check_base

LOOK_S: Final = 0.05
COMPOSED: Final = -2
"""Compositions count down from here: they are of one session, and no version of the store is below 0."""


@dataclass(frozen=True)
class SkillsOff(Part):
    """Skills do not play. why: the reason."""

    name = "skills off"
    key = "skills"
    why: str

    def status(self) -> dict[str, Any]:
        """That none plays, and why."""
        return {"is_on": False, "why": self.why}


@dataclass(frozen=True)
class SkillsInPlay(Part):
    """Skills that fit what is carried, who plays and what is pursued. refused: why others do not, by their name."""

    name = "skills"
    key = "skills"
    stepper: SkillStepper
    skills: SkillStore
    inference: Runner
    disk: Lane
    clock: Clock
    refused: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(COMPOSED, -1))

    async def begin(self) -> None:
        """Prepare each skill that fits, so that its swap waits for nothing."""
        await self._refit()
        for skill in self.stepper.fitting.skills:
            await self._prepare((skill.name,))

    async def run(self) -> None:
        """Prepare what the games want, and look anew where other weights act, until cancelled."""
        while True:
            await self.look()
            await self.clock.sleep_until(self.clock.now_s() + LOOK_S)

    async def look(self) -> None:
        """One look."""
        if self.stepper.fitting.version != self.stepper.policy.version:
            await self._refit()
        for names in self.stepper.missing():
            await self._prepare(names)

    async def _refit(self) -> None:
        policy = self.stepper.policy
        version, tensors = policy.version, policy.tensors
        try:
            base, found = await self.disk.run(lambda: (content_sha256(tensors), self.skills.skills()))
        except WeightsError as error:
            self.refused["index"] = str(error)
            base, found = "", []
        fits = tuple(skill for skill in found if self._fits(skill, base, policy))
        await self.inference.run(lambda: self.stepper.fit(Fitting(version, fits)))

    def _fits(self, skill: Skill, base: str, policy: Reloadable) -> bool:
        """True where a skill is of these weights; else it is refused with its reason."""
        try:
            if skill.of != policy.kind:
                raise WeightsError(f"skill {skill.name}: is of a {skill.of}, a {policy.kind} plays")
            check_base(skill, base)
        except WeightsError as error:
            self.refused[skill.name] = str(error)
            return False
        self.refused.pop(skill.name, None)
        return True

    async def _prepare(self, names: Names) -> None:
        """Compose these skills, try them, and keep them ready."""
        policy = self.stepper.policy
        base, of = policy.tensors, policy.version
        where = f"skills {' and '.join(names)}"
        try:
            prepared = await self.disk.run(lambda: policy.prepare(self.skills.composed(base, names), where))
        except WeightsError as error:
            self.stepper.failed[names] = str(error)
            return

        def keep() -> None:
            if policy.version == of:
                self.stepper.make_ready(names, prepared, next(self.numbers))

        await self.inference.run(keep)

    def status(self) -> dict[str, Any]:
        """The skills that fit, those that play in each game, how often they were swapped, and what was refused."""
        games = range(len(self.stepper.context.games))
        return {
            "is_on": True, "folder": str(self.skills.folder),
            "skills": [skill.name for skill in self.stepper.fitting.skills],
            "only_for_a_goal": [skill.name for skill in self.stepper.fitting.skills if skill.is_costly],
            "playing": [list(self.stepper.playing(game)) for game in games], "swaps": self.stepper.swaps,
            "refused": dict(self.refused),
            "failed": {" and ".join(names): why for names, why in self.stepper.failed.items()},
        }  # fmt: skip
