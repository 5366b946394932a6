"""What a feed makes of the ends that packets tell of."""

from __future__ import annotations

import msgspec
import pytest

from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.types import Packet
from agent.session.sense import Feed
from tests.link.game_side import state


@pytest.mark.parametrize(("ends", "terminal"), [(["cut"], False), (["death"], True), (["cut", "death"], False),
                                                ([None, "death", "cut"], True)])  # fmt: skip
def test_an_end_by_a_time_limit_ends_the_episode_and_is_not_terminal(ends: list[str | None], terminal: bool) -> None:
    """Of several ends that one observation tells of, the first is its episode's."""
    clock = VirtualClock()
    feed = Feed(0, "game", clock, Latency(), lambda: None)
    run = state(1).run
    assert run is not None
    feed.on_up()
    for sequence, end in enumerate([*ends, None]):
        told = msgspec.structs.replace(run, sequence=sequence, run_ended=end is not None, run_truncated=end == "cut")
        feed.on_packet(Packet(msgspec.structs.replace(state(sequence), run=told), b""), clock.now_s())
    taken = feed.take()
    assert taken is not None and taken[0].is_last and taken[0].is_terminal == terminal
