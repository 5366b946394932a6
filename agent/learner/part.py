"""Learning, as parts of a session: the learners, learning from play, and the model that chooses cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.core.part import Part
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.learner.outcomes import OutcomeWeights


@dataclass(frozen=True)
class Learners(Part):
    """The policies that learn, here or from workers. Owns the learner's process."""

    name = "learners"
    key = "learner"
    role = "trainer"
    learning: Learning

    async def finish(self) -> None:
        """Have the process save what it holds."""
        await self.learning.finish()

    async def give_up(self, why: str) -> str:
        """Save what the process holds and end it; play goes on with the weights that it has."""
        return await self.learning.give_up(why)

    def close(self) -> None:
        """End the process."""
        self.learning.close()

    def status(self) -> dict[str, Any]:
        """The process, and every policy's counts."""
        return self.learning.status()


@dataclass(frozen=True)
class LearnFromPlay(Part):
    """The policy that plays learns from what it does."""

    name = "learning from play"
    key = "learning"
    live: LiveLearning

    async def begin(self) -> None:
        """Make the policy that plays one of those that learn."""
        self.live.begin()

    async def run(self) -> None:
        """Learn from one rollout after another until cancelled."""
        await self.live.run()

    def status(self) -> dict[str, Any]:
        """Rollouts learned from and dropped."""
        return self.live.status()


@dataclass(frozen=True)
class CardsByOutcomes(Part):
    """Active inference chooses the cards, where its model may."""

    name = "cards by outcomes"
    key = "choices"
    outcomes: OutcomeWeights

    async def begin(self) -> None:
        """Take up the model to begin with, where there is one."""
        await self.outcomes.begin()

    def status(self) -> dict[str, Any]:
        """Who chooses, why, and what came of the last choice."""
        return self.outcomes.status()
