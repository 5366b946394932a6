"""A recording in which only a person plays: the program listens, and acts in nothing."""

from __future__ import annotations

import asyncio
import contextlib
from importlib.metadata import version

from agent.core.clock import Clock
from agent.core.types import HUMAN, Packet
from agent.journal.journal import Journal
from agent.journal.records import SessionHeader
from agent.link.links import Served, link_to
from agent.link.wire import Limits
from agent.session.loop import stopping_on_signals
from agent.session.recording import RecordedFeed


class _Nobody:
    """Hears of packets, and does nothing."""

    def on_up(self) -> None:
        """A connection stands."""

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        """One packet."""

    def on_bad_packet(self, reason: str) -> None:
        """Bytes broke the wire format."""

    def on_down(self, reason: str) -> None:
        """The connection ended."""


def header_of_watching(session: str, game: str, clock: Clock) -> SessionHeader:
    """What the recording says of a session in which only a person plays."""
    return SessionHeader(
        session=session, program=version("metabonk-apex"), game=game, games=("game",), policy=HUMAN, seed=0,
        real_time=True, learns=False, asks_chooser=False, off_policy=False, began_utc_ns=clock.wall_utc_ns(),
        began_s=clock.now_s(),
    )  # fmt: skip


async def watch(address: Served, journal: Journal, clock: Clock, limits: Limits, seconds: float | None) -> int:
    """Record every packet until the time is over or a signal comes; returns how many came.

    The journal must have begun; it is closed at the end. A connection that breaks is made again.
    """
    feed = RecordedFeed(0, _Nobody(), journal, clock)
    link = link_to(address, feed, clock, limits=limits, seed=0)
    stopped = asyncio.Event()
    try:
        with stopping_on_signals(lambda number: stopped.set()):
            running = asyncio.ensure_future(link.run())
            ended = asyncio.ensure_future(stopped.wait())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            running.cancel()
            await asyncio.wait({running, ended})
            if not running.cancelled() and running.exception() is not None:
                raise running.exception()  # type: ignore[misc]
    finally:
        await asyncio.to_thread(journal.close)
    return feed.packets
