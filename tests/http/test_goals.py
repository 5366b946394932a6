"""The goal and the plan over HTTP: read by anybody here, set with the token only."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from agent.core.clock import SystemClock
from agent.http.decoding import Decoder
from agent.http.goals import GoalsApi
from agent.http.server import serve
from agent.planning.backend import Backend, LlmConfig
from agent.planning.part import SystemTwo
from tests.http.api_side import TOKEN, WRITES, Source
from tests.planning.test_planner import Played


def asked(system: SystemTwo | None, *requests: tuple[str, str, Any, dict[str, str]]) -> list[tuple[int, Any]]:
    async def main() -> list[tuple[int, Any]]:
        api, port = GoalsApi(system, Decoder()), asyncio.get_running_loop().create_future()
        serving = serve(
            Source(), port=0, token=TOKEN, clock=SystemClock(), extra_routes=api.routes(), ready=port.set_result
        )
        task, found = asyncio.ensure_future(serving), []
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}") as http:
            for method, path, body, headers in requests:
                async with http.request(method, path, json=body, headers=headers) as reply:
                    found.append((reply.status, await reply.json()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    return asyncio.run(main())


GOAL, PLAN = "/api/v1/goal", "/api/v1/plan"
NOBODY = {"Content-Type": "application/json"}


def test_a_goal_is_read_set_and_refused() -> None:
    played = Played("survive 20 minutes")
    system = SystemTwo(played.planner, Backend(LlmConfig(), played.clock), {"cards": "none"})
    answers = asked(
        system,
        ("GET", GOAL, None, {}),
        ("POST", GOAL, {"goal": "take the bow"}, NOBODY),
        ("POST", GOAL, {"goal": "take the bow"}, WRITES),
        ("POST", GOAL, {"goal": "x" * 201}, WRITES),
        ("POST", GOAL, {"gaol": "x"}, WRITES),
        ("GET", PLAN, None, {}),
    )
    assert [status for status, _ in answers] == [200, 401, 200, 400, 400, 200]
    assert answers[0][1]["text"] == "survive 20 minutes" and answers[2][1]["wishes"][0]["what"] == "bow"
    assert played.planner.goal.text == "take the bow" and "200 printable" in answers[3][1]["error"]
    plan = answers[5][1]
    assert plan["goal"]["text"] == "take the bow" and plan["effects"] == {"cards": "none"}
    assert plan["games"][0].keys() == {"plan", "subgoal", "share", "reason", "pinned", "history"}


def test_where_nothing_plans_that_is_said() -> None:
    answers = asked(None, ("GET", GOAL, None, {}), ("POST", GOAL, {"goal": "x"}, WRITES), ("GET", PLAN, None, {}))
    assert [status for status, _ in answers] == [404] * 3 and "METABONK_USE_SIMA2" in answers[0][1]["error"]
