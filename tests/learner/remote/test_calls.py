"""Addresses of learners, what damaged weights are refused for, and which answers are asked for again."""

from __future__ import annotations

import asyncio
import hashlib
import zlib

import numpy as np
import pytest
from aiohttp import web
from safetensors.numpy import save

from agent.core.errors import LearnerAway, RequestError, SettingsError, WeightsError
from agent.learner.remote.calls import LearnerCalls, Weights, is_loopback, learner_address


def test_an_address_is_a_host_and_a_port() -> None:
    assert learner_address("http://10.0.0.2:8061/") == "http://10.0.0.2:8061"
    assert learner_address("https://[::1]:1") == "https://[::1]:1"
    for text in ("10.0.0.2:8061", "http://10.0.0.2", "ftp://a:1", "http://a:1/b", "http://a:99999", "http://u@a:1", ""):
        with pytest.raises(SettingsError, match="--learner"):
            learner_address(text)


def test_only_this_machines_own_addresses_are_loopback() -> None:
    assert [is_loopback(h) for h in ("127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]")] == [True] * 5
    assert [is_loopback(h) for h in ("0.0.0.0", "::", "10.0.0.2", "learner.example", "localhost.example")] == [
        False
    ] * 5


def test_weights_that_were_damaged_on_their_way_are_refused() -> None:
    data = save({"w": np.arange(3, dtype=np.float32)})
    flipped = bytearray(data)
    flipped[-1] ^= 64
    whole = Weights(data, 3, Weights(data, 3).sha256)
    assert whole.tensors()["w"].tolist() == [0, 1, 2]
    with pytest.raises(WeightsError, match="damaged"):
        Weights(bytes(flipped), 3, hashlib.sha256(data).hexdigest()).tensors()
    with pytest.raises(WeightsError, match="cannot be read"):
        Weights(b"no", 3).tensors()


@pytest.mark.parametrize(
    "status, kind", [(503, LearnerAway), (507, LearnerAway), (400, RequestError), (401, RequestError)]
)
def test_a_refusal_is_asked_again_only_where_that_may_help(status: int, kind: type[Exception]) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"error": "because"}, status=status)

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/push_rollout", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with LearnerCalls(f"http://127.0.0.1:{port}", "token") as calls:
            with pytest.raises(kind, match="because"):
                await calls.push(zlib.compress(b"body"))
            assert (calls.requests, calls.bytes_out) == (1, 12)
        await runner.cleanup()
        async with LearnerCalls(f"http://127.0.0.1:{port}", "token") as calls:
            with pytest.raises(LearnerAway) as away:
                await calls.push(zlib.compress(b"body"))
            assert not away.value.answered

    asyncio.run(main())
