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
from agent.http.dream.server import DreamServer, serve_dream
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


def test_a_short_press_counts_and_nonsense_does_not() -> None:
    server = DreamServer(DreamPlayer(dots_world()), 0.1, SystemClock(), None)  # type: ignore[arg-type]
    assert server._take('{"keys": ["KeyA"], "click": [0.5, 2]}') and server._take('{"keys": []}')
    assert server._down | server._tapped == {"KeyA"} and server._click is None
    assert server._take('{"keys": [], "click": [0.5, 1]}') and server._click == (0.5, 1.0)
    for text in ("{", '{"keys": 3}', json.dumps({"keys": ["KeyA"] * 40})):
        assert not server._take(text)


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
                for _ in range(5):
                    _, before = opened((await socket.receive(60)).data)
                await socket.send_str(json.dumps({"keys": ["ArrowUp"]}))
                far = 0
                for _ in range(12):
                    about, now = opened((await socket.receive(60)).data)
                    far = max(far, np.abs(now - before).max())
                assert far > 160 and about["number"] >= 17, far
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
    number = "Number(document.documentElement.dataset.number)"
    pixels = "Array.from(document.getElementById('dreamed').getContext('2d').getImageData(0, 0, 16, 16).data)"

    async def scenario() -> None:
        async with served(DreamPlayer(dots_world(), seed=1)) as port, browsing(tmp_path) as tab:
            await tab.open(f"http://127.0.0.1:{port}/")
            await tab.until(f"{number} >= 5")
            before = np.array(await tab.run(pixels))
            await tab.until(f"{number} >= 15")
            still = np.array(await tab.run(pixels))
            await tab.key("ArrowUp", "ArrowUp", up=False)
            pressed_at = await tab.run(number)
            await tab.until(f"{number} >= {pressed_at + 12}")
            moved = np.array(await tab.run(pixels))
            await tab.key("ArrowUp", "ArrowUp", down=False)
            assert np.abs(still - before).max() < 160 < np.abs(moved - before).max()
            assert await tab.run("document.getElementById('mode').textContent") == "dreamed"
            assert not tab.errors

    asyncio.run(scenario())
