"""What a session serves, as parts: the server says its port, and without a learner workers are told so."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.http.decoding import Decoder
from agent.http.events import EventLog
from agent.http.part import EventsApi, HttpServer, NoWorkersApi
from tests.http.api_side import TOKEN, Source


def server(said: asyncio.Queue[int], *parts: EventsApi | NoWorkersApi, port: int = 0) -> HttpServer:
    routes = [route for part in parts for route in part.routes()]
    return HttpServer(Source(), port, TOKEN, SystemClock(), routes, dict, said.put_nowait)


def test_the_routes_of_parts_are_served_and_workers_are_told_that_nothing_learns() -> None:
    async def main() -> None:
        clock, said = SystemClock(), asyncio.Queue[int]()
        events = EventLog(clock)
        events.add("hello", "there", {})
        api = EventsApi(Decoder(), events)
        task = asyncio.ensure_future(server(said, api, NoWorkersApi()).run())
        port = await asyncio.wait_for(said.get(), 60)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            async with http.get("/events") as answer:
                assert [e["event_type"] for e in (await answer.json())["events"]] == ["hello"]
            for path in ("/get_weights", "/get_cpqe_weights"):
                async with http.get(path, params={"policy_name": "p"}) as answer:
                    assert answer.status == 503 and "--no-learn" in await answer.text()
            for path in ("/register_worker", "/push_rollout", "/push_demo"):
                async with http.post(path, json={}, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                    assert answer.status == 503 and "--no-learn" in await answer.text()
        with pytest.raises(SettingsError, match="--http-port"):
            await server(said, port=port).run()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        api.close()

    asyncio.run(main())
