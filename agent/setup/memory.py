"""What each role of a session uses of memory and processor now, by asking the operating system about its processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import psutil

MIB: Final = 1 << 20
MOTOR, GAME, TRAINER, RECORDER, NAVIGATOR, PLANNER = "motor", "game", "trainer", "recorder", "navigator", "planner"
ROLES: Final = (MOTOR, GAME, PLANNER, NAVIGATOR, RECORDER, TRAINER)
MODULES: Final = (
    ("agent.learner.", TRAINER), ("agent.games.", GAME), ("agent.planning.screen", NAVIGATOR),
    ("agent.planning.", PLANNER), ("clip", RECORDER),
)  # fmt: skip
"""The word of its command line by which a child is known, and its role; what is none of them belongs to the motor."""


class Use(msgspec.Struct, frozen=True):
    """What one role uses: resident memory in MiB, and how many cores were busy for it since the last look."""

    mib: float = 0.0
    cores: float = 0.0


def role_of(command: Sequence[str], above: str) -> str:
    """The role of a process by its command line; `above`: that of its parent, which a helper shares."""
    for word, role in MODULES:
        if any(part == word or (word.endswith((".", "screen")) and part.startswith(word)) for part in command):
            return role
    return above


class Meter:
    """Looks at this process and all below it. Resident memory counts pages that two processes share twice."""

    def __init__(self) -> None:
        self._own = psutil.Process()
        self._busy: dict[tuple[int, float], float] = {}

    def look(self, now_s: float, since_s: float | None) -> dict[str, Use]:
        """The use of every role that has a process; cores are 0 at the first look. Blocks for some milliseconds."""
        mib, busy_s = dict.fromkeys(ROLES, 0.0), dict.fromkeys(ROLES, 0.0)
        seen: dict[tuple[int, float], float] = {}
        self._walk(self._own, MOTOR, mib, busy_s, seen)
        self._busy = seen
        span_s = 0.0 if since_s is None else now_s - since_s
        return {
            role: Use(round(mib[role], 1), round(busy_s[role] / span_s, 3) if span_s > 0 else 0.0)
            for role in ROLES
            if mib[role] > 0
        }

    def _walk(
        self, process: psutil.Process, role: str, mib: dict[str, float], busy_s: dict[str, float],
        seen: dict[tuple[int, float], float],
    ) -> None:  # fmt: skip
        """Add a process and those below it; one that ended meanwhile is left out."""
        try:
            with process.oneshot():
                times, key = process.cpu_times(), (process.pid, process.create_time())
                mib[role] += process.memory_info().rss / MIB
            seen[key] = times.user + times.system
            busy_s[role] += seen[key] - self._busy.get(key, seen[key])
            below = process.children()
        except psutil.Error:
            return
        for child in below:
            try:
                command = child.cmdline()
            except psutil.Error:
                continue
            self._walk(child, role_of(command, role), mib, busy_s, seen)
