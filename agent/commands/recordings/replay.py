"""The command `replay`: every decision of a recording computed again, and compared with what was sent."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.core.clock import SystemClock


@dataclass(frozen=True)
class ReplayOptions:
    """Which recording, and what of it."""

    recording: Path
    """Its folder, or one of its files."""
    _: KW_ONLY
    only: int | None = None
    """Replay this one of its games alone; the first is 0."""


def replay(options: Annotated[ReplayOptions, FLAT]) -> int:
    """Compute every decision of a recording again without its game, and compare it with what was sent."""
    from agent.session.replay import Replayer

    clock = SystemClock()
    replayer = Replayer(options.recording, only=options.only)
    began_s = clock.now_s()
    result = replayer.run()
    took_s = clock.now_s() - began_s
    for note in result.notes:
        print(printable(note))
    if result.skipped:
        print(f"{result.skipped} decisions were left out: the recording does not have the whole of their episodes")
    faster = result.recorded_s / took_s if took_s > 0 else 0.0
    print(f"{result.decisions} decisions of {replayer.header.policy} in {took_s:.1f} s, {faster:.0f} times real time")
    if not result.decisions:
        print("no decision could be compared")
        return 1
    if result.first is None:
        print(f"all equal, sha256 {result.digest}")
        return 0
    first = result.first
    print(f"{result.different} differ, the axes by {result.largest_deviation:.3g} at most")
    print(printable(f"first: record {first.record}, {first.game}, packet {first.packet}"))
    print(printable(f"  recorded {first.recorded}"))
    print(printable(f"  computed {first.computed}"))
    return 1
