"""A seat: what was sent last holds in the connection that it was sent in, and nowhere else."""

from __future__ import annotations

from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.types import NEUTRAL, Action
from agent.session.act import Seat
from agent.session.sense import Feed
from tests.session.test_walk import Sink

AHEAD = Action(move=(1.0, 0.0), click=(3, 4), answers=7)


def seat() -> tuple[Seat, Feed, Sink]:
    feed, sink = Feed(0, "game", VirtualClock(100.0), Latency(), lambda: None), Sink()
    feed.on_up()
    return Seat(feed, sink), feed, sink


def test_a_repeated_action_clicks_and_claims_nothing() -> None:
    table, _, sink = seat()
    assert table.is_neutral and table.send(AHEAD) and not table.is_neutral
    table.repeat()
    assert sink.actions == [AHEAD, Action(move=(1.0, 0.0))]


def test_after_letting_go_there_is_nothing_to_repeat_even_where_that_could_not_be_said() -> None:
    table, _, sink = seat()
    table.send(AHEAD)
    sink.takes = False
    assert not table.send_neutral() and table.is_neutral
    sink.takes = True
    table.repeat()
    assert sink.actions == [AHEAD, NEUTRAL]


def test_what_was_sent_in_an_earlier_connection_does_not_hold_in_the_next() -> None:
    table, feed, _ = seat()
    table.send(AHEAD)
    feed.on_down("closed")
    assert table.is_neutral
    table.send(AHEAD)
    assert not table.is_neutral, "sent while the link was down, to whoever comes next"
    feed.on_up()
    assert table.is_neutral
