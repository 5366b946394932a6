"""Parts of a session that only show something: who acts, who chooses cards, the line on the console."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from agent.concurrency.supervise import Supervisor
from agent.control.policy import Serving
from agent.core.clock import Clock
from agent.core.part import Part
from agent.session.console import show
from agent.session.status import Status


@dataclass(frozen=True)
class Supervision(Part):
    """Which parts failed, and which are parked."""

    name = "supervision"
    key = "parts"
    supervisor: Supervisor

    def status(self) -> dict[str, Any]:
        """Failures by part, and the parked parts with their reasons."""
        return self.supervisor.status()


@dataclass(frozen=True)
class ServedPolicy(Part):
    """Who in the policy acts."""

    name = "served policy"
    key = "served"
    policy: Serving

    def status(self) -> dict[str, Any]:
        """Who acts and what it has learned."""
        return self.policy.served()


@dataclass(frozen=True)
class CardsByMotor(Part):
    """The policy chooses its cards itself, or the scientist by chances: `chooser`. `why`: no other does."""

    name = "cards by motor"
    key = "choices"
    why: str
    chooser: str = "motor"

    def status(self) -> dict[str, Any]:
        """Who chooses, and why."""
        return {"chooser": self.chooser, "why": self.why}


@dataclass(frozen=True)
class ConsoleLine(Part):
    """What a person at a terminal sees."""

    name = "console"
    is_essential = True
    source: Status
    clock: Clock
    console: Console

    async def run(self) -> None:
        """Print the line until cancelled."""
        await show(self.source, self.clock, self.console)
