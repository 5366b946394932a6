"""A recording that is written record by record, for tests."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from agent.core.clock import SystemClock
from agent.core.types import Action
from agent.journal.journal import Journal
from agent.journal.records import DecisionRecord, EventRecord, PacketRecord, SessionHeader
from agent.link.imaging import encode_jpeg
from agent.link.wire import encode_action, encode_state
from tests.link.game_side import state

BEGAN_S = 1000.0
HZ = 10


def header(session: str) -> SessionHeader:
    clock = SystemClock()
    return SessionHeader(
        session=session, program="test", game="arena", games=("one", "two"), policy="pilot", seed=0, real_time=True,
        learns=False, asks_chooser=False, off_policy=False, began_utc_ns=clock.wall_utc_ns(), began_s=clock.now_s(),
    )  # fmt: skip


def grey(level: int) -> bytes:
    """A picture whose brightness tells it from the others."""
    return encode_jpeg(np.full((36, 64, 3), level, np.uint8))


def written(folder: Path, *, packets: int = 50, turns: tuple[int, ...] = (20,)) -> Path:
    """Ten packets a second of game 0, a picture with every fifth, and one person's takeover; two segments or more."""
    journal = Journal(folder, header(folder.name), SystemClock())
    journal.begin()
    for k in range(packets):
        at_s = BEGAN_S + k / HZ
        told = state(k)
        assert told.run is not None
        run = msgspec.structs.replace(told.run, level=1 + k // 10, kills=k)
        told = msgspec.structs.replace(told, run=run, health=100.0 - k)
        frame = grey(4 * k) if k % 5 == 0 else b""
        journal.offer(PacketRecord(0, k + 1, at_s, encode_state(told), frame), at_s)
        owner, instead = ("human", encode_action(Action((0.0, 1.0)))) if 30 <= k < 35 else ("motor", b"")
        sent = encode_action(Action((k / 100, 0.0), fire=k % 2 == 0))
        journal.offer(
            DecisionRecord(
                0, k + 1, k + 1, 0, 0.1, at_s, 0.0, k == 0, k == 40, False, False, 1, at_s + 0.001, sent, owner, -1,
                instead, "motor" if instead else "",
            ),
            at_s,
        )  # fmt: skip
        if k == 30:
            journal.offer(EventRecord(at_s, "takeover", "a person plays /home/x/one", {"game": 0}), at_s)
        if k in turns:
            journal.turn()
    journal.close()
    return folder
