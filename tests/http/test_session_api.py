"""The routes by which a person steers the session: what they take, and what they refuse."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from agent.core.clock import SystemClock, VirtualClock
from agent.core.latency import Latency
from agent.core.types import Action, Packet
from agent.http.decoding import Decoder
from agent.http.part import TakeoverApi
from agent.http.server import serve
from agent.session.sense import Feed
from tests.http.api_side import TOKEN, WRITES, Source
from tests.link.game_side import state


def asked(feeds: list[Feed], *bodies: Any, headers: dict[str, str] = WRITES) -> list[tuple[int, Any]]:
    """Post these to the route, one after the other; status and answer of each."""

    async def main() -> list[tuple[int, Any]]:
        api, port = TakeoverApi(feeds, Decoder(), VirtualClock(50.0)), asyncio.get_running_loop().create_future()
        serving = serve(
            Source(), port=0, token=TOKEN, clock=SystemClock(), extra_routes=api.routes(), ready=port.set_result
        )
        task, found = asyncio.ensure_future(serving), []
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}") as http:
            for body in bodies:
                async with http.post("/api/v1/takeover", json=body, headers=headers) as reply:
                    found.append((reply.status, await reply.json()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    return asyncio.run(main())


@pytest.fixture
def feeds() -> list[Feed]:
    return [Feed(i, f"game {i}", VirtualClock(50.0), Latency(), lambda: None) for i in range(2)]


def test_a_page_takes_one_game_over_with_all_that_it_sends(feeds: list[Feed]) -> None:
    feeds[1].on_packet(Packet(state(1), b""), 50.0)
    body = {"game": 1, "move": [0.5, -1], "look": [0, 0.25], "fire": True, "click": [0.5, 0.25]}
    (status, told), (_, released) = asked(feeds, body, {"game": 1, "release": True})
    assert (status, told["ok"], told["game"]) == (200, True, 1) and released["ok"]
    assert not feeds[0].human.is_on(50.0) and feeds[1].human.is_on(50.0)
    assert feeds[1].human.action(None) == Action(), "released"
    asked(feeds, body)
    assert feeds[1].human.action(7) == Action((0.5, -1.0), (0.0, 0.25), fire=True, click=(4, 5), answers=7)


def test_what_cannot_be_played_is_refused_with_the_reason(feeds: list[Feed]) -> None:
    bodies = [{"game": 2}, {"move": [2, 0]}, {"move": [1]}, {"jump": True}, {"click": [0.5, 1.5]}, {"click": [0, 0]}]
    answers = asked(feeds, *bodies)
    assert [status for status, _ in answers] == [400, 400, 400, 400, 400, 409]
    named = ("game: 0 to 1", "move: ", "move", "jump", "click: ", "how large")
    assert all(name in told["error"] for name, (_, told) in zip(named, answers, strict=True))
    assert not any(feed.human.is_on(50.0) for feed in feeds)


def test_nobody_takes_over_without_the_token(feeds: list[Feed]) -> None:
    headers = {"Content-Type": "application/json"}
    assert asked(feeds, {"fire": True}, headers=headers)[0][0] == 401
    assert not feeds[0].human.is_on(50.0)
