"""A proxy between workers and a learner that drops, repeats and delays rollouts on their way, and counts bytes.

Owns its server. What it does to a push is drawn from a seed: the request is lost; the answer is lost; both come twice;
the request comes after the worker has given it up. Other requests pass.
"""

from __future__ import annotations

import asyncio
import random
from types import TracebackType
from typing import Final

import aiohttp
import msgspec
from aiohttp import web

PUSH: Final = "/push_rollout"
FAULTS: Final = ("lose the request", "lose the answer", "repeat", "delay")


class FaultyProxy:
    """Passes requests on to `upstream`. share: of pushes that something happens to; `done` counts what did.

    acknowledged: ids of rollouts whose acknowledgement went through here, to the worker or lost on its way.
    """

    def __init__(self, upstream: str, *, share: float, seed: int = 0, delay_s: float = 0.2) -> None:
        self.done = dict.fromkeys((*FAULTS, "pass"), 0)
        self.acknowledged: set[str] = set()
        self.requests = self.bytes_up = self.bytes_down = 0
        self.port = 0
        self.upstream, self.share = upstream, share
        self._delay_s, self._rng = delay_s, random.Random(seed)
        self._late: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> FaultyProxy:
        self._http = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        assert self._runner is not None and self._http is not None
        await self._runner.cleanup()
        await self._http.close()

    async def settle(self) -> None:
        """Wait for what is delayed."""
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        is_hit = request.path == PUSH and self._rng.random() < self.share
        fault = self._rng.choice(FAULTS) if is_hit else "pass"
        self.done[fault] += 1
        if fault == "lose the request":
            return _hang_up(request)
        if fault == "delay":
            task = asyncio.ensure_future(self._pass_late(request, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return _hang_up(request)
        if fault == "repeat":
            await self._pass(request, body)
        response = await self._pass(request, body)
        return _hang_up(request) if fault == "lose the answer" else response

    def _note(self, data: bytes) -> None:
        try:
            self.acknowledged.add(msgspec.msgpack.decode(data, type=_Said).rollout_id)
        except (msgspec.DecodeError, msgspec.ValidationError):
            self.done["unreadable"] = self.done.get("unreadable", 0) + 1

    async def _pass_late(self, request: web.Request, body: bytes) -> None:
        await asyncio.sleep(self._delay_s * (0.5 + self._rng.random()))
        await self._pass(request, body)

    async def _pass(self, request: web.Request, body: bytes) -> web.Response:
        assert self._http is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "content-length")}
        self.requests += 1
        self.bytes_up += len(body) + _header_bytes(request.headers) + len(request.path_qs) + 16
        try:
            async with self._http.request(
                request.method, f"{self.upstream}{request.path_qs}", data=body or None, headers=headers
            ) as reply:
                data = await reply.read()
                self.bytes_down += len(data) + _header_bytes(reply.headers) + 16
                if request.path == PUSH and reply.status == 200:
                    self._note(data)
                kept = {k: v for k, v in reply.headers.items() if k.lower() in ("content-type", "retry-after")}
                return web.Response(body=data, status=reply.status, headers=kept)
        except aiohttp.ClientError:
            return web.Response(status=502)


class _Said(msgspec.Struct):
    rollout_id: str = ""


def _header_bytes(headers: object) -> int:
    return sum(len(k) + len(v) + 4 for k, v in headers.items())  # type: ignore[attr-defined]


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
