"""What a feed makes of the ends that packets tell of."""

from __future__ import annotations

import msgspec
import pytest

from agent.core.clock import VirtualClock
from agent.core.latency import Cause, Latency
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


def test_a_packet_is_missed_only_where_a_game_runs_by_itself() -> None:
    for real_time, missed in ((True, 1), (False, 0)):
        latency = Latency()
        feed = Feed(0, "game", VirtualClock(), latency, lambda: None, real_time=real_time)
        feed.on_up()
        times = [k / 60 for k in range(400)]
        for sequence, at_s in enumerate([*times, times[-1] + 1.0]):
            feed.on_packet(Packet(state(sequence), b""), at_s)
        assert latency.missed[Cause.NO_PACKET] == missed
