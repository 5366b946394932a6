"""Waiting in tests without an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], limit_s: float = 120.0) -> None:
    """Wait until something holds; the limit only catches hangs."""
    end_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end_s, f"does not hold after {limit_s} s"
        time.sleep(0.002)
