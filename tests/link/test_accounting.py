"""The ledger of packets: one way in, one way out, and a sum that always holds."""

from __future__ import annotations

import pytest

from agent.link.accounting import PacketLedger, PacketOutcome


def test_each_outcome_is_counted_under_its_own_name_and_the_sum_holds() -> None:
    ledger = PacketLedger()
    for _ in range(11):
        ledger.receive()
    for count, outcome in enumerate(PacketOutcome, start=1):
        for _ in range(count):
            ledger.settle(outcome)
    assert ledger.as_builtins() == {
        "received": 11, "acted": 1, "superseded": 2, "rejected": 3, "expired": 4, "pending": 1,
    }  # fmt: skip
    assert (ledger.acted, ledger.superseded, ledger.rejected, ledger.expired) == (1, 2, 3, 4)


def test_a_packet_cannot_be_settled_twice() -> None:
    ledger = PacketLedger()
    ledger.receive()
    ledger.settle(PacketOutcome.ACTED)
    with pytest.raises(ValueError, match="second time"):
        ledger.settle(PacketOutcome.EXPIRED)
    assert ledger.received == ledger.acted == 1


def test_counts_cannot_be_set_past_the_door() -> None:
    with pytest.raises(AttributeError):
        PacketLedger().acted += 1  # type: ignore[misc]
