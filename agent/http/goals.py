"""Routes of the planner: read and set the goal, read the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from agent.core.errors import RequestError, SettingsError
from agent.core.part import Part, Route
from agent.http.decoding import Decoder, read_body
from agent.learner.bodies import decode
from agent.planning.goal import parse_goal
from agent.planning.part import SystemTwo

MAX_BODY_BYTES = 4096


class SetGoal(msgspec.Struct, forbid_unknown_fields=True):
    """A goal in words."""

    goal: str


def _answer(document: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json", status=status)


@dataclass(frozen=True)
class GoalsApi(Part):
    """The goal and the plan over HTTP; `system` None: there is no planner in this session, which is said."""

    name = "goals api"
    system: SystemTwo | None
    decoder: Decoder

    async def _get_goal(self, request: web.Request) -> web.StreamResponse:
        return _off() if self.system is None else _answer(self.system.planner.goal.status())

    async def _post_goal(self, request: web.Request) -> web.StreamResponse:
        if self.system is None:
            return _off()
        try:
            with self.decoder.memory.request() as held:
                body = await read_body(request, MAX_BODY_BYTES, held)
                goal = parse_goal(decode(SetGoal, body, request.content_type).goal)
        except RequestError as error:
            return _answer({"error": str(error)}, error.status)
        except SettingsError as error:
            return _answer({"error": str(error)}, 400)
        self.system.planner.set_goal(goal)
        return _answer(goal.status())

    async def _get_plan(self, request: web.Request) -> web.StreamResponse:
        if self.system is None:
            return _off()
        planner = self.system.planner
        games = [
            {**game, "history": list(history)}
            for game, history in zip(planner.games(), planner.histories(), strict=True)
        ]
        return _answer({"goal": planner.goal.status(), "games": games, "effects": self.system.effects})

    def routes(self) -> Sequence[Route]:
        """Read and set the goal; read the plan."""
        return (
            Route("GET", "/api/v1/goal", self._get_goal), Route("POST", "/api/v1/goal", self._post_goal),
            Route("GET", "/api/v1/plan", self._get_plan),
        )  # fmt: skip


def _off() -> web.Response:
    why = "there is no planner here: METABONK_USE_SIMA2=0, or a game without levels and menus"
    return _answer({"error": why}, 404)
