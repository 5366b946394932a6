"""A circuit breaker: after failures in a row nothing is asked for a while, then one question tries again."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Breaker(msgspec.Struct):
    """Closed until `failures` questions fail in a row, then open for `open_s`, then half open for one of them."""

    failures: int = 3
    open_s: float = 30.0
    failed: int = 0
    opened: int = 0
    closed: int = 0
    _open_until_s: float | None = None

    def state(self, now_s: float) -> Literal["closed", "open", "half open"]:
        """How it stands now."""
        if self._open_until_s is None:
            return "closed"
        return "open" if now_s < self._open_until_s else "half open"

    def lets_through(self, now_s: float) -> bool:
        """Whether a question may be asked now; the caller asks one at a time."""
        return self.state(now_s) != "open"

    def heard(self, good: bool, now_s: float) -> None:
        """A question ended, well or not."""
        if good:
            self.closed += self._open_until_s is not None
            self.failed, self._open_until_s = 0, None
            return
        self.failed += 1
        if self.failed >= self.failures or self._open_until_s is not None:
            self.opened += 1
            self._open_until_s = now_s + self.open_s

    def as_builtins(self, now_s: float) -> dict[str, Any]:
        """State, failures in a row, openings and closings, and seconds until it is half open."""
        left_s = max(0.0, (self._open_until_s or 0.0) - now_s)
        return {
            "state": self.state(now_s), "failed": self.failed, "opened": self.opened, "closed": self.closed,
            "open_for_s": round(left_s, 1),
        }  # fmt: skip
