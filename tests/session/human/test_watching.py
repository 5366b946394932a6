"""Only a person plays: what the recording says of it, and a game that never answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.core.clock import SystemClock
from agent.journal.journal import Journal
from agent.link.endpoint import Endpoint
from agent.link.wire import Limits
from agent.session.human.watching import header_of_watching, watch


def test_a_game_that_never_answers_gives_a_recording_without_packets_in_the_time_that_was_given(tmp_path: Path) -> None:
    clock = SystemClock()
    header = header_of_watching("one", "bonklink://127.0.0.1:9", clock)
    assert (header.policy, header.learns, header.asks_chooser) == ("human", False, False)
    journal = Journal(tmp_path / "one", header, clock)
    journal.begin()
    assert asyncio.run(watch(Endpoint("127.0.0.1", 9), journal, clock, Limits(), 0.5)) == 0
    assert not journal.is_writing and journal.offered == journal.written
