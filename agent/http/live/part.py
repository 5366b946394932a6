"""The page's state and stream, as a part of a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agent.core.errors import RequestError
from agent.core.part import Part, Route
from agent.http.live.state import LiveState
from agent.http.live.stream import Asked, Stream
from agent.http.workers import number_of, routes_of
from agent.learner.bodies import MSGPACK

MAX_DECISIONS = 240


@dataclass(frozen=True)
class LiveApi(Part):
    """Shows what goes on, as it happens. may_write: whether a request may steer. decisions: sampled, of a game."""

    name = "live api"
    states: LiveState
    stream: Stream
    games: tuple[str, ...]
    version: str
    may_write: Callable[[web.Request], bool]
    decisions: Callable[[int, int], Sequence[dict[str, Any]]]

    async def run(self) -> None:
        """Fill the clients' slots until cancelled."""
        await self.stream.run()

    async def _state(self, request: web.Request) -> web.StreamResponse:
        state = await self.states.newest()
        if MSGPACK in request.headers.get("Accept", ""):
            return web.Response(body=state.packed, content_type=MSGPACK)
        return web.Response(body=state.json, content_type="application/json")

    async def _decisions(self, request: web.Request) -> web.StreamResponse:
        game, limit = number_of(request, "game", 0), number_of(request, "limit", MAX_DECISIONS)
        if not 0 <= game < len(self.games):
            raise RequestError(404, f"game: 0 to {len(self.games) - 1}, not {game}")
        found = self.decisions(game, max(0, min(limit, MAX_DECISIONS)))
        return web.json_response({"game": game, "decisions": list(found)})

    async def _live(self, request: web.Request) -> web.StreamResponse:
        may_write = self.may_write(request)
        hello = {"version": self.version, "games": list(self.games), "may_write": may_write}
        text = request.query.get("fps", "10")[:16]
        try:
            asked = Asked(fps=float(text), game=number_of(request, "game", 0))
        except ValueError as error:
            raise RequestError(400, f"fps={text!r}: a number is needed") from error
        return await self.stream.serve(request, asked, may_write=may_write, hello=hello)

    def routes(self) -> Sequence[Route]:
        """The state, the sampled decisions, and the stream."""
        return routes_of(
            ("GET", "/api/v1/state", self._state),
            ("GET", "/api/v1/decisions", self._decisions),
            ("GET", "/api/v1/live", self._live),
        )
