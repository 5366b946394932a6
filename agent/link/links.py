"""The link that an address asks for: a stream, or shared memory.

Owns no connection; whoever makes the link runs and closes it.
"""

from __future__ import annotations

import random
from typing import TypeAlias

from agent.core.clock import Clock
from agent.link.bonklink import BonkLink, PacketListener
from agent.link.endpoint import Endpoint
from agent.link.research import ResearchLink
from agent.link.research_map import ResearchAddress
from agent.link.wire import Limits

Address: TypeAlias = Endpoint | ResearchAddress
Link: TypeAlias = BonkLink | ResearchLink


def link_to(address: Address, listener: PacketListener, clock: Clock, *, limits: Limits, seed: int) -> Link:
    """The link for an address; `seed` is for the backoff's jitter."""
    if isinstance(address, ResearchAddress):
        return ResearchLink(address, listener, clock)
    return BonkLink(address, listener, clock, limits=limits, rng=random.Random(seed))
