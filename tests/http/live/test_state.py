"""The state: one for all who ask at the same time, plain, numbered, with the newest events."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from agent.http.live import state
from agent.http.live.state import EVENTS
from tests.http.live.side import live_side


def test_all_who_ask_within_a_tenth_of_a_second_get_one_state(monkeypatch: pytest.MonkeyPatch) -> None:
    assert state.STATE_S == 0.1
    monkeypatch.setattr(state, "STATE_S", 60.0)  # a busy machine takes longer than a tenth of a second to ask again

    async def main() -> None:
        async with live_side() as side:
            for i in range(EVENTS + 5):
                side.events.add("kind", f"event {i} /home/somebody/secret", {"at": "/home/somebody/x"})

            async def ask() -> Any:
                async with side.http.get("/api/v1/state") as reply:
                    return await reply.json()

            found = [*await asyncio.gather(*(ask() for _ in range(8))), await ask(), await ask()]
            assert len({each["number"] for each in found}) == side.views == 1
            assert [e["message"] for e in found[0]["events"]] == [f"event {i} secret" for i in range(5, EVENTS + 5)]
            monkeypatch.setattr(state, "STATE_S", 0.0)
            later = await ask()
            assert later["number"] > found[0]["number"] and later["time_ns"] > found[0]["time_ns"]
            async with side.http.get("/api/v1/state", headers={"Accept": "application/msgpack"}) as reply:
                assert msgspec.msgpack.decode(await reply.read()).keys() == later.keys()

    asyncio.run(main())


def test_decisions_are_asked_for_by_game_within_limits() -> None:
    async def main() -> None:
        async with live_side() as side:
            answers = {}
            for query in ("", "?game=1&limit=3", "?limit=9999", "?game=2", "?game=x"):
                async with side.http.get(f"/api/v1/decisions{query}") as reply:
                    answers[query] = reply.status, await reply.json()
        assert answers[""][1]["decisions"] == [{"game": 0, "limit": 240}]
        assert answers["?game=1&limit=3"][1]["decisions"] == [{"game": 1, "limit": 3}]
        assert answers["?limit=9999"][1]["decisions"][0]["limit"] == 240
        assert (answers["?game=2"][0], answers["?game=x"][0]) == (404, 400)

    asyncio.run(main())
