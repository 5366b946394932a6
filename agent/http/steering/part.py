"""Routes by which a person rolls weights back and pauses learning, as a part of a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from agent.concurrency.lane import Lane
from agent.core.errors import RequestError, WeightsError
from agent.core.part import Part, Route
from agent.http.decoding import Decoder
from agent.http.session_api import body_of
from agent.http.snapshots import without_folders
from agent.http.steering.access import Access
from agent.http.workers import answer, routes_of
from agent.learner.live import LiveLearning
from agent.models.sealed import read_manifest
from agent.store.rollback import roll_back
from agent.store.store import WeightsStore

NO_WEIGHTS: Final = "no weights are kept here: the policy has none, or it is an evaluation"
NOTHING_LEARNS: Final = "nothing learns from play here: it was started with --no-learn, or the policy cannot"
MAX_VERSIONS: Final = 20


class PostRollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/weights/rollback: make an older version's weights the next version; the one before unless told."""

    version: int | None = None


class PostLearning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/learning: pause learning from play, or go on."""

    paused: bool


class PostLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/link: nothing is asked."""


@dataclass(frozen=True)
class SteeringApi(Part):
    """Weights, learning, and links for browsers. store: None where none are kept; live: None where nothing learns."""

    name = "steering api"
    policy: str
    store: WeightsStore | None
    live: LiveLearning | None
    access: Access
    disk: Lane
    decoder: Decoder
    say: Callable[[str, str, dict[str, Any]], None]

    def _kept(self) -> WeightsStore:
        if self.store is None:
            raise RequestError(409, NO_WEIGHTS)
        return self.store

    async def _get_weights(self, request: web.Request) -> web.StreamResponse:
        store = self._kept()
        try:
            found = await self.disk.run(lambda: versions_of(store, self.policy))
        except WeightsError as error:
            raise RequestError(507, without_folders(str(error))) from error
        return answer(request, {"policy": self.policy, **without_folders(found)})

    async def _post_rollback(self, request: web.Request) -> web.StreamResponse:
        body: PostRollback = await body_of(request, self.decoder, PostRollback)
        store = self._kept()
        try:
            stored = await self.disk.run(lambda: roll_back(store, self.policy, body.version))
        except WeightsError as error:
            raise RequestError(409, without_folders(str(error))) from error
        restores = stored.manifest.notes["restores"]
        self.say(
            "rollback_asked", f"a person goes back to version {restores}, as version {stored.version}",
            {"version": stored.version, "restores": restores},
        )  # fmt: skip
        response = answer(request, {"ok": True, "version": stored.version, "restores": restores}, 202)
        response.headers["Location"] = "/api/v1/weights"
        return response

    async def _post_learning(self, request: web.Request) -> web.StreamResponse:
        body: PostLearning = await body_of(request, self.decoder, PostLearning)
        if self.live is None:
            raise RequestError(409, NOTHING_LEARNS)
        if self.live.is_paused != body.paused:
            self.live.pause(body.paused)
            self.say("learning", "a person paused learning" if body.paused else "learning goes on", {})
        return answer(request, {"ok": True, "paused": self.live.is_paused})

    async def _post_link(self, request: web.Request) -> web.StreamResponse:
        await body_of(request, self.decoder, PostLink)
        return answer(request, {"ok": True, "path": self.access.link()})

    def routes(self) -> Sequence[Route]:
        """Versions, rolling back, pausing, and links."""
        return [
            *routes_of(
                ("GET", "/api/v1/weights", self._get_weights),
                ("POST", "/api/v1/weights/rollback", self._post_rollback),
                ("POST", "/api/v1/learning", self._post_learning),
                ("POST", "/api/v1/link", self._post_link),
            ),
            self.access.route(),
        ]


def versions_of(store: WeightsStore, policy: str) -> dict[str, Any]:
    """The versions that are kept, newest first, with who made them; blocks, raises WeightsError."""
    current = store.current(policy)
    shown = []
    for version in sorted(store.versions(policy), reverse=True)[:MAX_VERSIONS]:
        manifest = read_manifest(store.path(policy, version))
        told = {"created_by": manifest.created_by, "restores": manifest.notes.get("restores")}
        shown.append({"version": version, **told})
    return {"current": current.version if current is not None else 0, "good": store.good(policy), "versions": shown}
