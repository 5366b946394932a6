"""Members that train on this machine: in one child process or some, which take turns. Owns the processes."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

import msgspec

from agent.concurrency.child import Child
from agent.concurrency.frames import Message
from agent.training.population.contract import Done, Interval, Seal, Sealed
from agent.training.population.member import Task

MAX_INTERVAL_S: Final = 24 * 3600.0
A = TypeVar("A", bound=Message)


class LocalRunner:
    """Child processes that do orders; `places` is their number. A member goes on where it was, if that one is free."""

    def __init__(self, task: Task, processes: int = 1) -> None:
        told = msgspec.json.encode(task).decode()
        module = "agent.training.population.child"
        self._children = [Child(f"member's process {k + 1}", module, [told]) for k in range(processes)]
        self.places = processes
        self._free = list(range(processes))
        self._was: dict[int, int] = {}
        self._turn = asyncio.Condition()

    async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        """Train for an interval; raises ChildGone where the process ended."""
        return await self._call(order.member, order, Done, state)

    async def seal(self, order: Seal, state: bytes) -> tuple[Sealed, bytes]:
        """The weights of a state; raises ChildGone."""
        return await self._call(order.interval.member, order, Sealed, state)

    @property
    def pids(self) -> list[int]:
        """Process ids of those that run."""
        return [child.pid for child in self._children if child.is_up and child.pid is not None]

    async def _call(self, member: int, order: Message, answer: type[A], state: bytes) -> tuple[A, bytes]:
        async with self._turn:
            await self._turn.wait_for(lambda: bool(self._free))
            was = self._was.get(member, self._free[0])
            place = was if was in self._free else self._free[0]
            self._free.remove(place)
        try:
            self._was[member] = place
            return await self._children[place].call(order, answer, state, timeout_s=MAX_INTERVAL_S)
        finally:
            self._free.append(place)
            async with self._turn:
                self._turn.notify()

    def close(self) -> None:
        """End the processes."""
        for child in self._children:
            child.close()
