"""The plan for memory: who gives up first and who never does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agent.concurrency.lane import Lane
from agent.core.clock import SystemClock
from agent.core.part import Part
from agent.setup.memory import GAME, MOTOR, NAVIGATOR, PLANNER, RECORDER, TRAINER, Use
from agent.setup.plan import ORDER, MemoryPlan, shares


@dataclass(frozen=True)
class Giving(Part):
    """Gives up once where it has something."""

    name = "giving"
    kind: str
    asked: list[str]
    has: bool = True

    @property
    def role(self) -> str:  # type: ignore[override]
        return self.kind

    async def give_up(self, why: str) -> str:
        self.asked.append(self.kind)
        return f"{self.kind} is off" if self.has else ""


@dataclass
class Told:
    events: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        self.events.append((kind, message))


def plan_of(parts: list[Part], limit_mib: int, told: Told) -> MemoryPlan:
    return MemoryPlan(limit_mib, parts, SystemClock(), Lane("statistics"), told)


def using(**mib: float) -> dict[str, Use]:
    return {role: Use(value, 0.0) for role, value in mib.items()}


def test_roles_give_up_in_the_stated_order_at_the_second_look_above_the_limit_and_the_motor_never() -> None:
    asked: list[str] = []
    told = Told()
    parts: list[Part] = [Giving(role, asked, has=role != NAVIGATOR) for role in (MOTOR, GAME, *reversed(ORDER))]
    plan = plan_of(parts, 900, told)
    too_much = using(motor=400.0, game=300.0, trainer=300.0)

    async def looks() -> None:
        await plan.looked(too_much, 1.0)
        assert asked == [], "one look is no reason"
        await plan.looked(using(motor=400.0), 1.0)
        await plan.looked(too_much, 1.0)
        assert asked == [], "the looks are not in a row"
        for _ in range(12):
            await plan.looked(too_much, 1.0)

    asyncio.run(looks())
    gave_up = [entry["role"] for entry in plan.status()["gave_up"]]
    assert gave_up == [TRAINER, RECORDER, PLANNER], "the navigator had nothing; motor and game are never asked"
    assert not {MOTOR, GAME} & set(asked)
    assert [kind for kind, _ in told.events] == ["memory_given_up"] * 3
    assert told.events[0][1] == "trainer is off: METABONK_MEMORY_MIB=900: 1000 MiB are in use"
    status = plan.status()
    assert status["order"] == [TRAINER, RECORDER, NAVIGATOR, PLANNER] and status["over_mib"] == 100.0
    assert status["roles"][TRAINER] == {
        "uses_mib": 300.0,
        "peak_mib": 300.0,
        "may_mib": 200.0,
        "cores": 0.0,
        "gave_up": True,
    }


def test_without_a_setting_the_machines_free_memory_decides() -> None:
    asked: list[str] = []
    plan = plan_of([Giving(TRAINER, asked)], 0, Told())

    async def looks() -> None:
        for _ in range(3):
            await plan.looked(using(motor=50_000.0), 4_000.0)
        assert asked == []
        for _ in range(2):
            await plan.looked(using(motor=50.0), 100.0)

    asyncio.run(looks())
    assert asked == [TRAINER]


def test_motor_and_game_get_what_they_need_and_the_trainer_what_is_left() -> None:
    needs = {MOTOR: 300.0, GAME: 200.0, PLANNER: 150.0, TRAINER: 500.0}
    assert shares(1_000.0, needs) == {MOTOR: 300.0, GAME: 200.0, PLANNER: 150.0, TRAINER: 350.0}
    assert shares(400.0, needs) == {MOTOR: 300.0, GAME: 200.0, PLANNER: 0.0, TRAINER: 0.0}
