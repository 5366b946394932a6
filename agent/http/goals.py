"""Routes of the planner: read and set the goal, read the plan, hold on to a subgoal or skip it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from agent.core.errors import RequestError, SettingsError
from agent.core.part import Part, Route
from agent.http.decoding import Decoder
from agent.http.session_api import body_of
from agent.http.workers import answer, routes_of
from agent.planning.goal import parse_goal
from agent.planning.part import SystemTwo
from agent.planning.planner import Planner

OFF: Final = "there is no planner here: METABONK_USE_SIMA2=0, a Gymnasium environment, or an evaluation"


class PostGoal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/goal: what to plan for from now on, in words."""

    goal: str


class PostSubgoal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/subgoal: pin what a game pursues until it is done, unpin it, or skip it."""

    do: Literal["pin", "unpin", "skip"]
    game: int = 0


@dataclass(frozen=True)
class GoalsApi(Part):
    """The goal and the plan over HTTP. system: None where nothing plans, which is said."""

    name = "goals api"
    system: SystemTwo | None
    decoder: Decoder

    def _planning(self) -> SystemTwo:
        if self.system is None:
            raise RequestError(404, OFF)
        return self.system

    async def _get_goal(self, request: web.Request) -> web.StreamResponse:
        return answer(request, self._planning().planner.goal.status())

    async def _post_goal(self, request: web.Request) -> web.StreamResponse:
        planner = self._planning().planner
        body: PostGoal = await body_of(request, self.decoder, PostGoal)
        try:
            goal = parse_goal(body.goal)
        except SettingsError as error:
            raise RequestError(400, str(error)) from error
        planner.set_goal(goal)
        return answer(request, goal.status())

    async def _post_subgoal(self, request: web.Request) -> web.StreamResponse:
        planner = self._planning().planner
        body: PostSubgoal = await body_of(request, self.decoder, PostSubgoal)
        if not 0 <= body.game < len(planner.minds):
            raise RequestError(400, f"game: 0 to {len(planner.minds) - 1}, not {body.game}")
        said = planner.skip(body.game) if body.do == "skip" else planner.pin(body.game, body.do == "pin")
        if said is None:
            raise RequestError(409, f"game {body.game} pursues nothing that could be {_DONE[body.do]}")
        return answer(request, {"ok": True, "game": body.game, "subgoal": said, **_now(planner, body.game)})

    async def _get_plan(self, request: web.Request) -> web.StreamResponse:
        system = self._planning()
        told = zip(system.planner.games(), system.planner.histories(), strict=True)
        games = [{**game, "history": list(history)} for game, history in told]
        return answer(request, {"goal": system.planner.goal.status(), "games": games, "effects": system.effects})

    def routes(self) -> Sequence[Route]:
        """Read and set the goal; read the plan."""
        return routes_of(
            ("GET", "/api/v1/goal", self._get_goal),
            ("POST", "/api/v1/goal", self._post_goal),
            ("POST", "/api/v1/subgoal", self._post_subgoal),
            ("GET", "/api/v1/plan", self._get_plan),
        )


_DONE: Final = {"pin": "pinned", "unpin": "unpinned", "skip": "skipped"}


def _now(planner: Planner, game: int) -> dict[str, Any]:
    return {"pinned": planner.minds[game].pinned is not None}
