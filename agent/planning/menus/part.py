"""The navigator as a part of a session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.part import Part
from agent.planning.menus.navigator import Navigator
from agent.planning.menus.vlm import VisionModel
from agent.planning.screen.engines import MISSING, engine_there

SAVE_EVERY_S: Final = 10.0


@dataclass(frozen=True)
class Menus(Part):
    """Goes through menus beside play. model: the vision model that chooses, None for the builtin chooser alone."""

    name = "navigator"
    key = "navigator"
    role = "navigator"
    navigator: Navigator
    clock: Clock
    model: VisionModel | None = None

    async def begin(self) -> None:
        """Refuse a goal or a model that cannot be served; raises SettingsError."""
        if (self.navigator.goal.is_asked or self.model is not None) and not engine_there():
            raise SettingsError(f"METABONK_MENU_GOAL, METABONK_VLM_MENU_MODEL: {MISSING}")
        if self.model is not None:
            await self.model.begin()
        await self.navigator.load()

    async def run(self) -> None:
        """Go through menus until cancelled, and write what was learned now and then."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.navigator.run(), name="go through menus")
            group.create_task(self._keep(), name="keep the screens")

    async def _keep(self) -> None:
        while True:
            await self.clock.sleep_until(self.clock.now_s() + SAVE_EVERY_S)
            await self.navigator.save()

    async def finish(self) -> None:
        """Write what was learned."""
        await self.navigator.save()

    async def give_up(self, why: str) -> str:
        """End the process that reads the screen; the policy acts in menus from here on."""
        return await self.navigator.give_up(why)

    def close(self) -> None:
        """Let go of processes and threads."""
        self.navigator.close()
        if self.model is not None:
            self.model.close()

    def status(self) -> dict[str, Any]:
        """The goal, the way, what was learned."""
        return self.navigator.status()
