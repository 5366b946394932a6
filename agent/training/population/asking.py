"""A language model that proposes hyper-parameters to a population, where settings want one and it can be reached."""

from __future__ import annotations

from collections.abc import Callable

from agent.core.clock import Clock
from agent.learning.population import Spaces, Switch
from agent.planning.backend import Backend, LlmConfig
from agent.planning.proposing import Bounds, Proposer
from agent.training.population.scheduler import Asked, Propose


def bounds_of(spaces: Spaces) -> Bounds:
    """The bounds of each name, as a model is told them."""
    return {
        name: (0.0, 1.0) if isinstance(space, Switch) else (space.low, space.high) for name, space in spaces.items()
    }


def asks(proposer: Proposer) -> Propose:
    """What a scheduler calls."""

    async def propose(asked: Asked) -> dict[str, float] | None:
        return await proposer.propose(asked.values, asked.members, asked.steps / max(1, asked.total))

    return propose


async def find_proposer(
    config: LlmConfig, spaces: Spaces, clock: Clock, *, wanted: bool, say: Callable[[str], None]
) -> tuple[Backend, Proposer | None]:
    """Who proposes, None where settings want none or `auto` reaches none, which is said once.

    Raises SettingsError where settings name a server that cannot be used.
    """
    backend = Backend(config, clock)
    if not wanted or not spaces:
        return backend, None
    await backend.begin()
    if not backend.is_named:
        await backend.find()
    if backend.model is None:
        say(f"no language model takes part: {backend.why}")
        return backend, None
    return backend, Proposer(backend.model, bounds_of(spaces))
