"""What became of every packet: nothing is lost from the count."""

from __future__ import annotations

import msgspec


class PacketLedger(msgspec.Struct):
    """Counts of received packets and of what became of them.

    Every received packet is settled exactly once: acted (an action computed from it was sent), superseded
    (a newer one took its place first), rejected (the arbiter refused the action, or its picture was refused
    and nothing could be computed), expired (too old, not re-armed yet, or the link ended). What is not settled
    yet is `pending`, so `received = acted + superseded + rejected + expired + pending` at every instant, with
    `pending` 0 once the link is closed.
    """

    received: int = 0
    acted: int = 0
    superseded: int = 0
    rejected: int = 0
    expired: int = 0

    @property
    def pending(self) -> int:
        return self.received - self.acted - self.superseded - self.rejected - self.expired


class LinkCounters(msgspec.Struct):
    """How connections to one game began and ended; four kinds of ending are four counters."""

    connects: int = 0
    refused: int = 0
    closed: int = 0
    timed_out: int = 0
    corrupt: int = 0
    dropped: int = 0
    actions_sent: int = 0
    actions_blocked: int = 0
    packets: int = 0
    frames: int = 0
    bytes_received: int = 0
    corrupt_reasons: dict[str, int] = msgspec.field(default_factory=dict)
