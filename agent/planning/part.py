"""The planner as a part of a session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agent.core.part import Part
from agent.planning.backend import Backend
from agent.planning.planner import Planner


@dataclass(frozen=True)
class SystemTwo(Part):
    """Plans beside play. effects: what a plan changes in this session, and what it does not change and why."""

    name = "planner"
    key = "planner"
    role = "planner"
    planner: Planner
    backend: Backend
    effects: dict[str, str]

    async def begin(self) -> None:
        """Have the model that settings name ready; raises SettingsError where it cannot plan."""
        await self.backend.begin()

    async def run(self) -> None:
        """Plan until cancelled; meanwhile look for a model where any will do."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.backend.find(), name="find a language model")
            group.create_task(self.planner.run(), name="plan")

    async def give_up(self, why: str) -> str:
        """End the language model's process; the builtin planner plans from here on."""
        return await self.backend.give_up(why)

    def close(self) -> None:
        """End the model's process."""
        self.backend.close()

    def status(self) -> dict[str, Any]:
        """The goal, the plans, what they change, and the model."""
        return {
            "goal": self.planner.goal.status(), "games": self.planner.games(), "counts": self.planner.counts(),
            "effects": self.effects, "llm": self.backend.status(),
        }  # fmt: skip
