"""What the scheduler says to whoever runs members, and what it hears.

`Runner` is the one interface between the scheduler and where members train. A runner needs nothing but an order and the
bytes of the member's state, and gives back the figures and the next state; it may run each interval anywhere, and each
anew: on this machine (`runner.LocalRunner`, a child process), or on another one, such as an actor of Ray that calls
`work.Worker.run` and `work.Worker.seal`. An interval that was lost is given out again with the same state.
"""

from __future__ import annotations

from typing import Any, Protocol

from agent.concurrency.frames import Message
from agent.learning.population import Value


class Interval(Message, frozen=True):
    """An order: train one member for at least `steps` steps, then measure it.

    number: how many intervals it has done before, over all its copies. continues: the state is what this member left at
    its last interval, so a runner that still holds its training may go on with it as it is. seed: of the member.
    episodes: that are played to measure the score; eval_seed: of the first of them.
    """

    member: int
    number: int
    steps: int
    values: dict[str, Value]
    continues: bool
    seed: int
    episodes: int
    eval_seed: int


class Done(Message, frozen=True):
    """An interval's end: steps of the weights since their beginning, scores of the measured episodes, figures.

    broken: why the training broke down, such as a value that is not finite; there is no next state then.
    """

    steps: int
    scores: list[float]
    metrics: dict[str, float]
    broken: str = ""


class Seal(Message, frozen=True):
    """An order: the weights of a member's state as they are served."""

    interval: Interval


class Sealed(Message, frozen=True):
    """The arguments of `save_sealed`; the tensors are the payload, as safetensors."""

    kind: str
    layout: dict[str, Any]
    sizes: dict[str, Any]
    notes: dict[str, Any]


class Runner(Protocol):
    """Where members train. `places`: how many intervals may be under way at once."""

    places: int

    async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        """Train for an interval from a state, b"" for a new member; figures and the next state.

        Raises ChildGone where who trained it is gone: the order may be given again.
        """
        ...

    async def seal(self, order: Seal, state: bytes) -> tuple[Sealed, bytes]:
        """The weights of a state. Raises ChildGone."""
        ...

    def close(self) -> None:
        """Let go of what trains."""
        ...
