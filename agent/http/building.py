"""Build what a session serves: its routes as parts, and the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from agent.concurrency.lane import Lane
from agent.core.clock import Clock
from agent.core.part import Part
from agent.http.decoding import Decoder
from agent.http.events import EventLog
from agent.http.goals import GoalsApi
from agent.http.guard import may_write
from agent.http.live.lull import Lull
from agent.http.live.part import LiveApi
from agent.http.live.pictures import LivePictures
from agent.http.live.state import LiveState
from agent.http.live.stream import Stream
from agent.http.merging import merge_api
from agent.http.part import BoundPort, ClipApi, EventsApi, HttpServer, NoWorkersApi, TakeoverApi, WorkersApi
from agent.http.recordings.api import RecordingsApi
from agent.http.snapshots import SharedFrame, Shown, Snapshots
from agent.http.steering.access import Access
from agent.http.steering.part import SteeringApi
from agent.learner.client import Learning
from agent.learner.live import LiveLearning
from agent.planning.part import SystemTwo
from agent.session.clips.maker import ClipMaker
from agent.session.options import SessionOptions
from agent.session.seeing.view import DecisionSampler, View
from agent.session.sense import Feed
from agent.session.status import Status
from agent.store.store import WeightsStore


@dataclass(frozen=True, kw_only=True)
class Served:
    """What of a session is served; what is off is None. keeps_weights: the store keeps those of the policy."""

    options: SessionOptions
    policy: str
    clock: Clock
    events: EventLog
    say: Callable[[str, str, dict[str, Any]], None]
    disk: Lane
    feeds: Sequence[Feed]
    learning: Learning | None
    system: SystemTwo | None
    clips: ClipMaker | None
    store: WeightsStore | None
    keeps_weights: bool
    live: LiveLearning | None
    access: Access


def build_apis(served: Served) -> list[Part]:
    """The routes of workers, events, people, plans, weights and recordings, where they are served."""
    if served.options.http_port is None:
        return []
    decoder, learning = Decoder(), served.learning
    return [
        EventsApi(decoder, served.events),
        NoWorkersApi() if learning is None else WorkersApi(learning, decoder),
        TakeoverApi(served.feeds, decoder, served.clock),
        GoalsApi(served.system, decoder),
        ClipApi(served.clips, decoder, served.say),
        merge_api(served.options, served.store, served.disk, decoder, served.system),
        SteeringApi(
            served.policy, served.store if served.keeps_weights else None, served.live, served.access, served.disk,
            decoder, served.say,
        ),
        RecordingsApi(served.options.recordings_dir, served.disk),
    ]  # fmt: skip


def build_server(served: Served, status: Status, view: View, bound: BoundPort, beside: Sequence[Part]) -> list[Part]:
    """The server with the page, the live state, and the routes of the parts beside."""
    options, clock = served.options, served.clock
    if options.http_port is None:
        return []
    losses = dict if served.learning is None else served.learning.losses
    sampler = DecisionSampler(clock, len(options.names), view.decision)
    turn = Lull(served.feeds, clock).turn
    shown = Shown(Snapshots(status, losses, clock, turn), SharedFrame(status, clock))
    pictures = LivePictures(lambda game: served.feeds[game].latest_frame)

    def more() -> dict[str, Any]:
        return {
            "stream": stream.status(), "losses": losses(), "plan_history": _histories(served.system),
            "misses": view.misses(),
        }  # fmt: skip

    views = [partial(view.of_game, game) for game in range(len(options.names))]

    states = LiveState(shown.snapshots, views, served.events, clock, more, turn)
    stream = Stream(states, pictures, served.feeds, clock, turn)
    live = LiveApi(
        states, stream, options.names, version("metabonk-apex"),
        lambda request: may_write(request, options.http_token, served.access), sampler.newest,
    )  # fmt: skip
    routes = [route for part in (*beside, live) for route in part.routes()]
    server = HttpServer(
        status, options.http_port, options.http_token, clock, routes, losses, bound.bind, served.access, shown
    )
    return [sampler, live, server]


def _histories(system: SystemTwo | None) -> list[list[dict[str, Any]]]:
    """What each game's plans went through, oldest first."""
    return [] if system is None else [list(history) for history in system.planner.histories()]
