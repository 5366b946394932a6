"""A headless Chromium that tests drive over its debugging protocol, on the loop of the test."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil

PATIENCE_S = 60.0
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--mute-audio",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip


class Tab:
    """One tab. requests: addresses that it asked for; errors: what its scripts threw or its policy refused."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, pid: int) -> None:
        self._socket, self._number, self._pid = socket, 0, pid
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for got in self._socket:
            told = json.loads(got.data)
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            elif told["method"] == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            elif told["method"] == "Network.webSocketCreated":
                self.requests.append(told["params"]["url"])
            elif told["method"] == "Runtime.exceptionThrown":
                details = told["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
                self.errors.append(told["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command; raises AssertionError where the browser refuses it."""
        self._number += 1
        waiting = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        told = await asyncio.wait_for(waiting, PATIENCE_S)
        assert "error" not in told, (method, told["error"])
        found: dict[str, Any] = told["result"]
        return found

    async def run(self, script: str) -> Any:
        """What an expression gives, awaited."""
        told = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until an expression is true; its value. Raises AssertionError with what the browser complained of."""
        ends_s = asyncio.get_running_loop().time() + PATIENCE_S
        while not (found := await self.run(script)):
            assert asyncio.get_running_loop().time() < ends_s, (script, self.errors)
            await asyncio.sleep(0.05)
        return found

    async def open(self, address: str) -> None:
        """Go to an address, and wait until it is there."""
        self.requests.clear()
        await self.call("Page.navigate", url=address)
        await self.until("document.readyState === 'complete'")

    async def size(self, width: int, height: int, *, light: bool = False, phone: bool = False) -> None:
        """Show the page at this size, in light or dark."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "light" if light else "dark"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path, *, whole: bool = False, transparent: bool = False) -> Path:
        """Write what is shown as a PNG; whole: also what lies below."""
        if transparent:
            await self.call("Emulation.setDefaultBackgroundColorOverride", color={"r": 0, "g": 0, "b": 0, "a": 0})
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(_write, path, base64.b64decode(shot["data"]))
        return path

    async def key(self, key: str, code: str = "", *, up: bool = True, down: bool = True) -> None:
        """Press a key, and let go of it, unless told otherwise."""
        text = key if len(key) == 1 else ""
        for kind in (["keyDown"] if down else []) + (["keyUp"] if up else []):
            told = {"text": text} if text and kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or f"Key{key.upper()}", **told)

    def processes(self) -> list[psutil.Process]:
        """All processes of the browser."""
        own = psutil.Process(self._pid)
        return [own, *own.children(recursive=True)]

    async def close(self) -> None:
        """Leave the tab."""
        self._reading.cancel()
        await self._socket.close()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@contextlib.asynccontextmanager
async def browsing(profile: Path, *, kills: bool = False) -> AsyncIterator[Tab]:
    """A browser with one tab; ended with all that it started. kills: without a word to whom it is connected with."""
    program = await asyncio.to_thread(shutil.which, "chromium")
    assert program is not None
    child = await asyncio.to_thread(_begin, [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"])
    try:
        port = await asyncio.to_thread(_port, child, profile / "DevToolsActivePort")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            async with http.get("/json/list") as reply:
                pages = [page for page in await reply.json() if page["type"] == "page"]
            async with http.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket, child.pid)
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await tab.call(f"{domain}.enable")
                yield tab
                await tab.close()
    finally:
        await asyncio.to_thread(_end, child, kills)


def _begin(command: list[str]) -> psutil.Process:
    """Start a browser that is no child of this process, whose memory is measured with that of its children."""
    shell = ["sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh", *_as_a_user(), *command]
    told = subprocess.run(shell, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
    return psutil.Process(int(told))


def _end(child: psutil.Process, kills: bool) -> None:
    """End a browser and all that it started; kills: none of them says goodbye."""
    with contextlib.suppress(psutil.NoSuchProcess):
        everyone = [*child.children(recursive=True), child]
        for process in everyone if kills else [child]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill() if kills else process.terminate()
        gone, left = psutil.wait_procs(everyone, timeout=20)
        for process in left:
            process.kill()


def _as_a_user() -> list[str]:
    """What keeps a browser of root from raising its own priority, which that of a user cannot do either."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    return [setpriv, "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]


def _port(child: psutil.Process, told: Path) -> int:
    import time

    began_s = time.monotonic()
    while time.monotonic() - began_s < PATIENCE_S:
        assert child.is_running(), "chromium ended"
        if told.exists() and (lines := told.read_text(encoding="utf-8").splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("chromium told no port")
