"""Build a session's skills, or say why none plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

from agent.concurrency.lane import Lane, Runner
from agent.control.policy import Policy, capabilities_of
from agent.core.clock import Clock
from agent.planning.goal import Goal
from agent.planning.planner import Planner
from agent.store.contest import Contest
from agent.store.in_play.context import SkillContext
from agent.store.in_play.part import SkillsInPlay, SkillsOff
from agent.store.in_play.stepper import SkillStepper
from agent.store.pair import Pair
from agent.store.skills import SkillStore
from agent.store.store import WeightsStore

LEARNS: Final = "{} learns from what it plays, and skills would play in its place; play with --no-learn"


class Around(Protocol):
    """What a session shares with its parts."""

    @property
    def policy(self) -> Policy:
        """Who plays."""
        ...

    @property
    def store(self) -> WeightsStore | None:
        """Where weights are kept."""
        ...

    @property
    def runner(self) -> Runner:
        """Who runs steps."""
        ...

    @property
    def disk(self) -> Lane:
        """The lane of the disk."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    def say(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        """Add an event."""
        ...


def build_skills(
    around: Around, folder: Path | None, contest: Contest | None, context: SkillContext, planner: Planner | None, *,
    learns: bool,
) -> SkillsInPlay | SkillsOff | None:  # fmt: skip
    """The skills of a session, why there are none, or None where none are wanted: folder is None."""
    policy, store = around.policy, around.store
    reloadable = capabilities_of(policy).reloadable
    if folder is None:
        return None
    if reloadable is None or store is None or contest is None:
        return SkillsOff(f"{policy.name} has no weights that are kept and exchanged")
    if learns:
        return SkillsOff(LEARNS.format(policy.name))

    def goal() -> Goal | None:
        return planner.goal if planner is not None else None

    stepper = SkillStepper(reloadable, contest.pair, context, around.say, goal)
    return SkillsInPlay(stepper, SkillStore(folder), around.runner, around.disk, around.clock)


def stepper_of(skills: SkillsInPlay | SkillsOff | None, contest: Contest | None) -> SkillStepper | Pair | None:
    """Who steps the policy: skills around champion and challenger, these alone, or the policy itself."""
    if isinstance(skills, SkillsInPlay):
        return skills.stepper
    return contest.pair if contest is not None else None
