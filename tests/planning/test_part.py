"""The part plans from its first turn, and shows goal, plan, effects and model as plain values."""

from __future__ import annotations

import asyncio

import msgspec

from agent.planning.backend import Backend, LlmConfig
from agent.planning.part import SystemTwo
from tests.core.goals.states import state
from tests.planning.test_planner import Played


def test_the_part_plans_and_its_status_is_plain() -> None:
    played = Played("take the bow")
    part = SystemTwo(
        played.planner, Backend(LlmConfig("auto", base_url="http://127.0.0.1:9"), played.clock), {"cards": "x"}
    )

    async def run() -> None:
        await part.begin()
        task = asyncio.ensure_future(part.run())
        await asyncio.sleep(0)
        await played.play(state(), 1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        part.close()

    asyncio.run(run())
    status = msgspec.json.decode(msgspec.json.encode(part.status()))
    assert status["goal"]["text"] == "take the bow" and status["games"][0]["plan"]["card"] == "pick_card(bow, 1)"
    assert status["effects"] == {"cards": "x"} and status["llm"]["backend"] == "builtin"
