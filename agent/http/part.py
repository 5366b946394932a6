"""What a session serves over HTTP, as parts: the server, the API of workers, the API of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.core.part import Part, Route
from agent.http.decoding import Decoder
from agent.http.events import EventLog
from agent.http.server import serve
from agent.http.session_api import clip_routes, takeover_routes
from agent.http.snapshots import Losses, Shown, StatusSource, without_folders
from agent.http.steering.access import Access
from agent.http.workers import event_routes, routes_without_learner, worker_routes
from agent.learner.client import Learning
from agent.session.clips.maker import ClipMaker
from agent.session.clips.video import encode_video
from agent.session.sense import Feed

MAX_VIDEOS: Final = 16
"""So many clips may wait for their videos, which are made one after the other."""
log = structlog.get_logger(__name__)


class BoundPort:
    """The port that the server got, None until it listens; `tell` is told it once."""

    def __init__(self, tell: Callable[[int], None] | None) -> None:
        self.number: int | None = None
        self._tell = tell

    def bind(self, port: int) -> None:
        """The server listens."""
        self.number = port
        log.info("page", url=f"http://127.0.0.1:{port}/")
        if self._tell is not None:
            self._tell(port)


@dataclass(frozen=True)
class EventsApi(Part):
    """Events in and out. Owns the decoder of bodies."""

    name = "events api"
    decoder: Decoder
    events: EventLog

    def close(self) -> None:
        """End the decoder's process."""
        self.decoder.close()

    def routes(self) -> Sequence[Route]:
        """Read, follow and add events."""
        return event_routes(self.decoder, self.events)


@dataclass(frozen=True)
class WorkersApi(Part):
    """Workers in other processes push rollouts and fetch weights."""

    name = "workers api"
    learning: Learning
    decoder: Decoder

    def routes(self) -> Sequence[Route]:
        """Register, push and fetch."""
        return worker_routes(self.learning, self.decoder)


@dataclass(frozen=True)
class NoWorkersApi(Part):
    """Tells workers that nothing learns here."""

    name = "no workers api"

    def routes(self) -> Sequence[Route]:
        """The routes of workers, all refused."""
        return routes_without_learner()


@dataclass(frozen=True)
class TakeoverApi(Part):
    """A page takes a game over."""

    name = "takeover api"
    feeds: Sequence[Feed]
    decoder: Decoder
    clock: Clock

    def routes(self) -> Sequence[Route]:
        """Take over and let go."""
        return takeover_routes(self.feeds, self.decoder, self.clock)


@dataclass(frozen=True)
class ClipApi(Part):
    """The last seconds are saved, and made a video of. clips: None where nothing is recorded."""

    name = "clip api"
    clips: ClipMaker | None
    decoder: Decoder
    say: Callable[[str, str, dict[str, Any]], None]
    _wanted: asyncio.Queue[Path] = field(default_factory=lambda: asyncio.Queue(MAX_VIDEOS), init=False)

    async def run(self) -> None:
        """Make one video after another until cancelled."""
        while True:
            clip = await self._wanted.get()
            try:
                await encode_video(clip)
            except RecordingError as error:
                self.say("clip_video_failed", without_folders(str(error)), {"clip": clip.name})
            else:
                self.say("clip_video", f"{clip.name} has a video", {"clip": clip.name})

    def routes(self) -> Sequence[Route]:
        """Save a clip."""
        return clip_routes(self.clips, self.decoder, self._wanted.put_nowait)


@dataclass(frozen=True)
class HttpServer(Part):
    """The page, the status, and the routes of the other parts. `said` is told the port.

    access: the browsers that may steer, None for none. shown: what others show as well, made here where there is none.
    """

    name = "serve"
    is_essential = True
    source: StatusSource
    port: int
    token: str
    clock: Clock
    extra_routes: Sequence[Route]
    losses: Losses
    said: Callable[[int], None]
    access: Access | None = None
    shown: Shown | None = None

    async def run(self) -> None:
        """Serve until cancelled; raises SettingsError where the port is taken."""
        await serve(
            self.source,
            port=self.port,
            token=self.token,
            clock=self.clock,
            extra_routes=self.extra_routes,
            losses=self.losses,
            ready=self.said,
            access=self.access,
            shown=self.shown,
        )
