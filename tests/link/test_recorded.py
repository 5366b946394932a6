"""Addresses of recordings."""

from __future__ import annotations

from pathlib import Path

from agent.link.recorded import RecordedAddress


def test_an_address_names_the_recording_and_no_folder_above_it() -> None:
    address = RecordedAddress(Path("/home/somebody/a"), fast=True)
    assert str(address) == "replay:a" and address.is_loopback
    assert address.numbered(2) == RecordedAddress(Path("/home/somebody/a"), 2, True)
