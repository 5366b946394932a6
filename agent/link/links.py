"""The link that an address asks for: a stream, or shared memory.

Owns no connection; whoever makes the link runs and closes it.
"""

from __future__ import annotations

import random
from typing import Protocol, TypeAlias

from agent.core.clock import Clock
from agent.core.types import Action
from agent.link.accounting import LinkCounters
from agent.link.bonklink import BonkLink, PacketListener
from agent.link.endpoint import Endpoint
from agent.link.recorded import RecordedAddress
from agent.link.research import ResearchLink
from agent.link.research_map import ResearchAddress
from agent.link.wire import Limits

Served: TypeAlias = Endpoint | ResearchAddress
"""Where a game runs."""
Address: TypeAlias = Served | RecordedAddress


class Link(Protocol):
    """One game, wherever its packets come from; `run` is cancelled by its owner."""

    counters: LinkCounters
    last_error: str | None

    @property
    def endpoint(self) -> object:
        """The address, as people read it."""
        ...

    @property
    def is_up(self) -> bool:
        """True while packets may come."""
        ...

    def send(self, action: Action) -> bool:
        """Hand one action over; False where that was not possible."""
        ...

    def rehearse(self, action: Action) -> None:
        """Do what the arrival of a packet and `send` do, without an effect."""
        ...

    def drop(self, reason: str) -> None:
        """End the connection; it is made anew."""
        ...

    def close(self) -> None:
        """Say goodbye."""
        ...

    async def run(self) -> None:
        """Connect and serve until cancelled."""
        ...


def link_to(address: Served, listener: PacketListener, clock: Clock, *, limits: Limits, seed: int) -> Link:
    """The link for an address; `seed` is for the backoff's jitter."""
    if isinstance(address, ResearchAddress):
        return ResearchLink(address, listener, clock)
    return BonkLink(address, listener, clock, limits=limits, rng=random.Random(seed))
