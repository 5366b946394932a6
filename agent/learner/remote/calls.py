"""What a worker asks of a learner on another machine, over HTTP: weights by version, and rollouts taken.

A learner that cannot be reached now is `LearnerAway`; one that refuses is a RequestError. Bytes and requests are
counted. Owns the connection, which is kept between calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from agent.core.errors import LearnerAway, RequestError, SettingsError, WeightsError
from agent.learner.bodies import MSGPACK
from agent.learner.tensor_bodies import SAFETENSORS
from agent.models.sealed import Tensors

TIMEOUT: Final = aiohttp.ClientTimeout(total=60.0, connect=3.0, sock_read=10.0)
MAX_REPLY_BYTES: Final = 256 << 20
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504, 507})
"""Statuses that say nothing against the request: it is made again."""


class Settled(msgspec.Struct):
    """What became of a pushed rollout: its step in the learner's log, and the newest version there."""

    ok: bool
    step: str = ""
    duplicate: bool = False
    version: int = -1
    dropped: str = ""


class Weights(msgspec.Struct):
    """Newer weights: the file, its SHA-256, and the learner's number of it."""

    weights: bytes
    version: int
    sha256: str = ""

    def tensors(self) -> Tensors:
        """What the file holds; raises WeightsError where it was damaged on its way."""
        if self.sha256 and hashlib.sha256(self.weights).hexdigest() != self.sha256:
            raise WeightsError(f"version {self.version} of the learner was damaged on its way")
        try:
            return load_tensors(self.weights)
        except SafetensorError as error:
            raise WeightsError(f"version {self.version} of the learner cannot be read: {error}") from error


class _Hello(msgspec.Struct):
    version: int = -1


class _Refused(msgspec.Struct):
    error: str = ""


def learner_address(text: str) -> str:
    """The address of a learner, http://HOST:PORT or https://…, without a slash at its end; raises SettingsError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"--learner {text}: {error}; http://HOST:PORT is needed") from error
    rest = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None or rest:
        raise SettingsError(f"--learner {text}: http://HOST:PORT is needed, such as http://127.0.0.1:8061")
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """True for this machine's own address, or its name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class LearnerCalls:
    """Calls of one learner. `requests`, `bytes_out`, `bytes_in`: so far, bodies alone."""

    def __init__(self, address: str, token: str) -> None:
        self.requests = self.bytes_out = self.bytes_in = 0
        self._address, self._headers = address, {"Authorization": f"Bearer {token}", "Accept": MSGPACK}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> LearnerCalls:
        self._session = aiohttp.ClientSession(self._address, headers=self._headers, timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def hello(self, instance: str, policy: str, capabilities: dict[str, Any]) -> int:
        """Say who plays what; the newest version there."""
        body = {"instance_id": instance, "policy_name": policy, "capabilities": capabilities}
        data = await self._call("POST", "/register_worker", msgspec.msgpack.encode(body), MSGPACK)
        found: _Hello = self._read(data, _Hello)
        return found.version

    async def weights(self, policy: str, since: int) -> Weights | None:
        """The newest weights, None where they are not newer than a version."""
        data = await self._call("GET", f"/get_weights?policy_name={policy}&since_version={since}")
        return self._read(data, Weights) if data else None

    async def push(self, body: bytes) -> Settled:
        """Have a rollout journaled; body: as `write_tensors`, deflated."""
        data = await self._call("POST", "/push_rollout", body, SAFETENSORS, deflated=True)
        found: Settled = self._read(data, Settled)
        return found

    async def _call(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "", *, deflated: bool = False
    ) -> bytes:
        """The body of a good answer."""
        assert self._session is not None
        headers = {"Content-Type": content_type} if body is not None else {}
        headers |= {"Content-Encoding": "deflate"} if deflated else {}
        self.requests += 1
        try:
            async with self._session.request(method, path, data=body, headers=headers, allow_redirects=False) as reply:
                self.bytes_out += len(body or b"")
                data = await reply.content.read(MAX_REPLY_BYTES)
                while more := await reply.content.read(MAX_REPLY_BYTES - len(data)):
                    data += more
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise LearnerAway(f"{self._address}: {error or type(error).__name__}") from error
        self.bytes_in += len(data)
        if reply.status in (200, 204):
            return data
        why = f"{self._address}{path.partition('?')[0]}: {reply.status}: {self._why(data)}"
        raise LearnerAway(why, answered=True) if reply.status in PASSING else RequestError(reply.status, why)

    def _why(self, data: bytes) -> str:
        """What a refusal says."""
        for decode in (msgspec.msgpack.decode, msgspec.json.decode):
            try:
                return decode(data, type=_Refused).error[:300]
            except (msgspec.DecodeError, msgspec.ValidationError, ValueError):
                continue
        return "no reason was given"

    def _read(self, data: bytes, kind: type[Any]) -> Any:
        try:
            return msgspec.msgpack.decode(data, type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise LearnerAway(f"{self._address}: its answer cannot be read: {error}") from error
