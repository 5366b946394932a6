"""Keys go in, pictures come out, in a client and in a real browser; others are refused."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.http.dream.server import serve_dream
from agent.training.pixels.player import DreamPlayer
from tests.learning.pixels.files import dots_world
from tools.page.browser import browsing


@asynccontextmanager
async def served(player: DreamPlayer) -> AsyncIterator[int]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    work = asyncio.create_task(serve_dream(player, dt_s=0.02, port=0, clock=SystemClock(), ready=port.set_result))
    try:
        await asyncio.wait({work, port}, return_when=asyncio.FIRST_COMPLETED)
        yield port.result()
    finally:
        work.cancel()
        await asyncio.wait({work})


def opened(data: bytes) -> tuple[dict[str, Any], Any]:
    length = struct.unpack_from("<I", data)[0]
    about = json.loads(data[4 : 4 + length])
    return about, np.frombuffer(data[4 + length :], np.uint8).reshape(about["size"], about["size"], 3).astype(int)


def test_a_client_plays_and_strangers_are_refused() -> None:
    async def scenario() -> None:
        async with served(DreamPlayer(dots_world(), seed=1)) as port, aiohttp.ClientSession() as http:
            where = f"http://127.0.0.1:{port}"
            async with http.get(where) as page:
                assert page.status == 200 and "Content-Security-Policy" in page.headers
            async with http.get(f"{where}/dream", headers={"Origin": "http://evil.example"}) as refused:
                assert refused.status == 403
            async with http.ws_connect(f"{where}/dream") as socket:
                assert json.loads((await socket.receive(60)).data)["keys"][0] == ["Digit1", "action +1"]
                _, before = opened((await socket.receive(60)).data)
                await socket.send_str(json.dumps({"keys": ["ArrowUp"]}))
                await socket.send_str(json.dumps({"keys": []}))  # a short press counts all the same
                far = 0
                for _ in range(40):
                    about, now = opened((await socket.receive(60)).data)
                    far = max(far, np.abs(now - before).max())
                assert far > 120 and about["number"] >= 40
                await socket.send_str("{")
                while (message := await socket.receive(60)).type == aiohttp.WSMsgType.BINARY:
                    pass
                assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            with pytest.raises(SettingsError, match="choose another with --port"):
                await serve_dream(DreamPlayer(dots_world()), dt_s=0.1, port=port, clock=SystemClock())

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.requires("chromium")
def test_a_person_presses_keys_in_a_browser_and_the_picture_answers(tmp_path: Path) -> None:
    pixels = "Array.from(document.getElementById('dreamed').getContext('2d').getImageData(0, 0, 16, 16).data)"

    async def scenario() -> None:
        async with served(DreamPlayer(dots_world(), seed=1)) as port, browsing(tmp_path) as tab:
            await tab.open(f"http://127.0.0.1:{port}/")
            await tab.until("Number(document.documentElement.dataset.number) >= 2")
            before = np.array(await tab.run(pixels))
            await tab.until("Number(document.documentElement.dataset.number) >= 6")
            still = np.array(await tab.run(pixels))
            await tab.key("ArrowUp", "ArrowUp", up=False)
            await asyncio.sleep(0.2)
            await tab.key("ArrowUp", "ArrowUp", down=False)
            moved = np.array(await tab.run(pixels))
            assert np.abs(still - before).max() < 100 < np.abs(moved - before).max()
            assert await tab.run("document.getElementById('mode').textContent") == "dreamed"
            assert not tab.errors

    asyncio.run(scenario())
