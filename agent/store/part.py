"""The weights of the policy that plays, as parts of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.core.part import Part
from agent.store.contest import Contest
from agent.store.reload import Reloader


@dataclass(frozen=True)
class WeightsWatch(Part):
    """Serves the newest weights, and takes up files that people put into the folder.

    keep_given: the user named a file: play begins with what was learned from it where it learns (`go_on`), else with
    the file's own weights.
    """

    name = "weights watch"
    key = "weights"
    reloader: Reloader
    keep_given: bool
    go_on: bool = True

    async def begin(self) -> None:
        """Act with the weights to begin with."""
        await self.reloader.begin(keep_given=self.keep_given, go_on=self.go_on)

    def close(self) -> None:
        """Say that this play has ended."""
        self.reloader.close()

    async def run(self) -> None:
        """Look at the folder until cancelled."""
        await self.reloader.watch()

    def status(self) -> dict[str, Any]:
        """What is served, refused and taken back."""
        return self.reloader.status()


@dataclass(frozen=True)
class WeightsMend(Part):
    """Takes back weights that fail their trial; without it a policy that fails would never act again."""

    name = "weights mend"
    is_essential = True
    reloader: Reloader

    async def run(self) -> None:
        """Wait for bad weights until cancelled."""
        await self.reloader.mend()


@dataclass(frozen=True)
class ChampionAndChallenger(Part):
    """Weights that are on trial over whole runs."""

    name = "champion and challenger"
    key = "challenge"
    contest: Contest

    async def begin(self) -> None:
        """Go on with the challenge that an earlier play left."""
        await self.contest.begin()

    async def run(self) -> None:
        """Decide where the runs so far do, until cancelled."""
        await self.contest.run()

    async def finish(self) -> None:
        """Write down what was counted."""
        await self.contest.finish()

    def close(self) -> None:
        """Let another play hold the challenge."""
        self.contest.close()

    def status(self) -> dict[str, Any]:
        """Champion, challenger, and the decisions so far."""
        return self.contest.status()
