"""One plan for memory: what each role may use, and who gives up first where it is not enough. The motor never does.

The limit is METABONK_MEMORY_MIB for this program and all that it starts; without one it is what the machine has, less
`RESERVE_MIB` that must stay free. A role that gave up stays so until the program is started again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import msgspec
import psutil
import structlog

from agent.concurrency.lane import Lane
from agent.core.clock import Clock
from agent.core.part import Part
from agent.setup.memory import GAME, MIB, MOTOR, NAVIGATOR, PLANNER, RECORDER, ROLES, TRAINER, Meter, Use

ORDER: Final = (TRAINER, RECORDER, NAVIGATOR, PLANNER)
"""Who gives up memory, the first one first."""
FIRST_S: Final = 10.0
EVERY_S: Final = 15.0
SAID_S: Final = 3600.0
RESERVE_MIB: Final = 256
LOOKS: Final = 2
"""So many looks in a row must be above the limit before a role gives up."""
log = structlog.get_logger(__name__)


def shares(limit_mib: float, needs_mib: Mapping[str, float]) -> dict[str, float]:
    """What each role may use: its need, and what is left of the limit for those that give up first.

    The order is that of `ROLES`: motor and game get what they need, the trainer what the others leave.
    """
    left, found = limit_mib, {}
    for role in ROLES:
        if role in needs_mib:
            found[role] = needs_mib[role] if role in (MOTOR, GAME) else max(0.0, min(needs_mib[role], left))
            left -= found[role]
    return found


class _State(msgspec.Struct):
    """What was measured, and what came of it. over: looks in a row above the limit."""

    uses: dict[str, Use] = {}
    peak_mib: dict[str, float] = {}
    over: int = 0
    over_mib: float = 0.0
    gave_up: list[dict[str, Any]] = []


@dataclass(frozen=True)
class MemoryPlan(Part):
    """Measures what each role uses, at the start, then every 15 seconds, and has roles give up where it is too much.

    limit_mib: 0 is the machine's. parts: those of the session; `say`: adds an event. free_mib: what the machine has
    left.
    """

    name: ClassVar[str] = "memory plan"
    key: ClassVar[str] = "memory"
    limit_mib: int
    parts: Sequence[Part]
    clock: Clock
    lane: Lane
    say: Callable[[str, str, dict[str, Any]], None]
    meter: Meter = field(default_factory=Meter)
    free_mib: Callable[[], float] = lambda: psutil.virtual_memory().available / MIB
    state: _State = field(default_factory=_State)

    async def run(self) -> None:
        """Look until cancelled; what is used is an event at the first look and every hour."""
        due_s, since_s, said_s = self.clock.now_s() + FIRST_S, None, None
        while True:
            await self.clock.sleep_until(due_s)
            now_s = self.clock.now_s()
            uses = await self.lane.run(lambda: self.meter.look(now_s, since_s))  # noqa: B023
            await self.looked(uses, self.free_mib())
            since_s, due_s = now_s, now_s + EVERY_S
            if said_s is None or now_s - said_s >= SAID_S:
                said_s = now_s
                self.say("memory", self._in_words(), {"uses_mib": {r: u.mib for r, u in uses.items()}})

    async def looked(self, uses: dict[str, Use], free_mib: float) -> None:
        """Take in one look; the next role gives up where the second in a row is above the limit."""
        state = self.state
        state.uses = uses
        for role, use in uses.items():
            state.peak_mib[role] = max(use.mib, state.peak_mib.get(role, 0.0))
        used_mib = sum(use.mib for use in uses.values())
        state.over_mib = used_mib - self.limit_mib if self.limit_mib else RESERVE_MIB - free_mib
        state.over = state.over + 1 if state.over_mib > 0 else 0
        if state.over >= LOOKS and await self._give_up(used_mib):
            state.over = 0

    async def _give_up(self, used_mib: float) -> bool:
        """Have the first role in the order that can give up do so; False where none is left."""
        gone = {entry["role"] for entry in self.state.gave_up}
        for role in ORDER:
            for part in self.parts if role not in gone else ():
                if part.role != role:
                    continue
                why = f"{self._limit_in_words()}: {used_mib:.0f} MiB are in use"
                what = await part.give_up(why)
                if what:
                    entry = {"role": role, "what": what, "why": why}
                    self.state.gave_up.append(entry)
                    log.warning("memory_given_up", **entry)
                    self.say("memory_given_up", f"{what}: {why}", entry)
                    return True
        return False

    def _limit_in_words(self) -> str:
        if self.limit_mib:
            return f"METABONK_MEMORY_MIB={self.limit_mib}"
        return f"less than {RESERVE_MIB} MiB of the machine's memory are free"

    def _in_words(self) -> str:
        uses = ", ".join(f"{role} {use.mib:.0f} MiB" for role, use in self.state.uses.items())
        return f"memory in use: {uses}"

    def status(self) -> dict[str, Any]:
        """The limit, what each role uses, used at its peak and may use, the order of giving up, and who did."""
        state, gone = self.state, [entry["role"] for entry in self.state.gave_up]
        limit_mib = self.limit_mib or _machine_mib() - RESERVE_MIB
        may_mib = shares(limit_mib, state.peak_mib)
        return {
            "limit_mib": limit_mib, "limit_is_set": self.limit_mib > 0, "machine_mib": _machine_mib(),
            "machine_cores": psutil.cpu_count() or 1, "order": list(ORDER), "gave_up": list(state.gave_up),
            "over_mib": round(max(0.0, state.over_mib), 1),
            "roles": {
                role: {
                    "uses_mib": use.mib, "peak_mib": state.peak_mib[role], "may_mib": round(may_mib[role], 1),
                    "cores": use.cores, "gave_up": role in gone,
                }
                for role, use in state.uses.items()
            },
        }  # fmt: skip


def _machine_mib() -> int:
    return int(psutil.virtual_memory().total / MIB)
