"""What does an order: trains a member from a state for an interval and measures it. Owns the trainings it still holds.

It is the same wherever it runs: in the child process of `runner.LocalRunner`, or on another machine.
"""

from __future__ import annotations

import torch
from safetensors.torch import load, save

from agent.core.errors import NumberError
from agent.training.population.contract import Done, Interval, Seal, Sealed
from agent.training.population.member import GymMember, Task, TrainsAndMeasures


class Worker:
    """Trains members of one task. A member that goes on here keeps its running episodes."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(1)
        self._task = task
        self._held: dict[int, tuple[int, TrainsAndMeasures]] = {}

    def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        """One interval; what it leaves is the next state."""
        member = self._member(order, state)
        torch.manual_seed(order.seed * 100_003 + order.number)
        member.configure(order.values)
        try:
            metrics = member.train(order.steps)
        except (NumberError, ValueError) as error:
            self._held.pop(order.member, None)
            return Done(steps=member.steps, scores=[], metrics={}, broken=str(error)), b""
        scores = member.evaluate(order.eval_seed, order.episodes)
        self._held[order.member] = (order.number + 1, member)
        tensors = {name: t.contiguous() for name, t in member.tensors().items()}
        return Done(steps=member.steps, scores=scores, metrics=metrics), save(tensors)

    def seal(self, order: Seal, state: bytes) -> tuple[Sealed, bytes]:
        """The weights of a state as they are served."""
        member = self._made(order.interval.seed)
        member.load_tensors(load(state))
        values = member.sealed()
        tensors = {name: torch.from_numpy(array.copy()) for name, array in values["tensors"].items()}
        told = Sealed(kind=values["kind"], layout=values["layout"], sizes=values["sizes"], notes=values["notes"])
        return told, save(tensors)

    def _member(self, order: Interval, state: bytes) -> TrainsAndMeasures:
        number, held = self._held.get(order.member, (-1, None))
        if held is not None and order.continues and number == order.number:
            return held
        self._held.pop(order.member, None)
        member = self._made(order.seed)
        if state:
            member.load_tensors(load(state))
        return member

    def _made(self, seed: int) -> TrainsAndMeasures:
        """A new member."""
        if self._task.game == "arena":
            from agent.training.population.arena_member import ArenaMember

            return ArenaMember(self._task, seed)
        return GymMember(self._task, seed)
