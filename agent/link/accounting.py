"""What became of every packet: nothing is lost from the count."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class PacketOutcome(StrEnum):
    """What became of a received packet."""

    ACTED = "acted"
    """An action that was computed from it was sent."""
    SUPERSEDED = "superseded"
    """A newer packet took its place first."""
    REJECTED = "rejected"
    """It broke the format, the policy failed on it, or the arbiter refused the action."""
    EXPIRED = "expired"
    """It was too old, control was not armed yet, or the link ended."""


class PacketLedger:
    """Counts of received packets and of what became of them.

    A packet enters by `receive` and leaves by `settle`. What has not left is `pending`, so
    `received = acted + superseded + rejected + expired + pending` at every instant, with `pending` 0 once the link
    is closed.
    """

    def __init__(self) -> None:
        self._pending = 0
        self._settled = dict.fromkeys(PacketOutcome, 0)

    def receive(self) -> None:
        """Count one packet in."""
        self._pending += 1

    def settle(self, outcome: PacketOutcome) -> None:
        """Count one received packet out; raises ValueError where none is pending."""
        if self._pending == 0:
            raise ValueError(f"a packet was settled as {outcome} that was never received, or for the second time")
        self._pending -= 1
        self._settled[outcome] += 1

    @property
    def pending(self) -> int:
        """Packets that are not settled yet."""
        return self._pending

    @property
    def received(self) -> int:
        """All packets so far."""
        return self._pending + sum(self._settled.values())

    @property
    def acted(self) -> int:
        """Packets that an action answered."""
        return self._settled[PacketOutcome.ACTED]

    @property
    def superseded(self) -> int:
        """Packets whose place a newer one took."""
        return self._settled[PacketOutcome.SUPERSEDED]

    @property
    def rejected(self) -> int:
        """Packets that were broken, or answered by nothing that may be sent."""
        return self._settled[PacketOutcome.REJECTED]

    @property
    def expired(self) -> int:
        """Packets that grew too old or outlived their link."""
        return self._settled[PacketOutcome.EXPIRED]

    def as_builtins(self) -> dict[str, int]:
        """The counts as the status and the report show them."""
        return {
            "received": self.received,
            **{outcome.value: count for outcome, count in self._settled.items()},
            "pending": self._pending,
        }


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
