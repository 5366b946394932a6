"""A person goes back to older weights, pauses learning, and gets links; without any of them, that is said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from agent.concurrency.lane import Lane
from agent.core.clock import SystemClock
from agent.http.decoding import Decoder
from agent.http.part import HttpServer
from agent.http.steering.access import Access
from agent.http.steering.part import SteeringApi
from agent.store.store import WeightsStore
from tests.http.api_side import TOKEN, WRITES, Source


class Paused:
    """What of a learner is paused."""

    is_paused = False

    def pause(self, paused: bool) -> None:
        self.is_paused = paused


def asked(store: WeightsStore | None, live: Any, *requests: tuple[str, str, Any]) -> tuple[list[Any], list[str]]:
    said: list[str] = []

    async def main() -> list[Any]:
        clock, disk = SystemClock(), Lane("disk")
        api = SteeringApi(
            "toy", store, live, Access(clock), disk, Decoder(), lambda kind, message, payload: said.append(message)
        )
        port, found = asyncio.get_running_loop().create_future(), []
        server = HttpServer(Source(), 0, TOKEN, clock, api.routes(), dict, port.set_result, api.access)
        task = asyncio.ensure_future(server.run())
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await port}") as http:
            for method, path, body in requests:
                async with http.request(method, path, json=body, headers=WRITES) as reply:
                    found.append((reply.status, await reply.json()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        disk.close()
        return found

    return asyncio.run(main()), said


ROLL, WEIGHTS, LEARN = "/api/v1/weights/rollback", "/api/v1/weights", "/api/v1/learning"


def test_older_weights_become_the_next_version(tmp_path: Path) -> None:
    store = WeightsStore(tmp_path)
    for value in (1.0, 2.0, 3.0):
        tensors = {"w": np.full(2, value, np.float32)}
        store.publish("toy", tensors, kind="toy", layout={}, created_by=f"step {value:g}")
    answers, said = asked(
        store, None, ("GET", WEIGHTS, None), ("POST", ROLL, {"version": 1}), ("POST", ROLL, {}),
        ("POST", ROLL, {"version": 99}), ("POST", ROLL, {"vershun": 1}), ("GET", WEIGHTS, None),
    )  # fmt: skip
    assert [status for status, _ in answers] == [200, 202, 202, 409, 400, 200]
    assert answers[0][1]["current"] == 3 and [v["version"] for v in answers[0][1]["versions"]] == [3, 2, 1]
    assert answers[0][1]["versions"][0]["created_by"] == "step 3"
    assert (answers[1][1]["version"], answers[1][1]["restores"]) == (4, 1)
    assert store.load("toy", 4)[1]["w"][0] == 1.0
    assert answers[5][1]["current"] == 5 and answers[5][1]["versions"][0]["restores"] == 3
    assert said[0] == "a person goes back to version 1, as version 4" and len(said) == 2


def test_learning_is_paused_and_goes_on_and_each_change_is_told_once() -> None:
    live = Paused()
    answers, said = asked(None, live, *[("POST", LEARN, {"paused": p}) for p in (True, True, False)])
    assert [each["paused"] for _, each in answers] == [True, True, False] and live.is_paused is False
    assert said == ["a person paused learning", "learning goes on"]


def test_what_is_not_there_is_said_and_a_link_is_given() -> None:
    answers, _ = asked(
        None, None, ("GET", WEIGHTS, None), ("POST", ROLL, {}), ("POST", LEARN, {"paused": True}),
        ("POST", "/api/v1/link", {}),
    )  # fmt: skip
    assert [status for status, _ in answers] == [409, 409, 409, 200]
    assert "no weights" in answers[1][1]["error"] and "--no-learn" in answers[2][1]["error"]
    assert answers[3][1]["path"].startswith("/login?key=")
