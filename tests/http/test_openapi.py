"""The document of the routes: it names what is served, and no input is answered with a failure of the server."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.app import build_session
from agent.control.random_policy import RandomPolicy
from agent.core.clock import SystemClock
from agent.http.openapi import document
from agent.http.server import routes
from agent.link.endpoint import Endpoint
from agent.session.options import SessionOptions
from tests.http.api_side import TOKEN, Api, api

MAY_FAIL = {501, 503, 507}
"""What is documented: another process does it, ask again later, the disk is full."""
EVENT = b'{"event_type":"x"}'


@pytest.mark.parametrize("learn", [True, False])
def test_the_document_names_every_route_of_a_session_and_no_other(learn: bool, tmp_path: Path) -> None:
    async def main() -> list[tuple[str, str]]:
        options = SessionOptions(
            endpoints=(Endpoint("127.0.0.1", 9),), names=("game",), learn=learn, weights_dir=tmp_path, http_port=0
        )
        made = build_session(options, RandomPolicy(0), SystemClock())
        served = [*routes(made.status, made.clock), *(route for part in made.parts for route in part.routes())]
        for closed in (*made.parts, *made.lanes):
            closed.close()
        return [(route.method.lower(), route.path) for route in served]

    described = [(method, path) for path, each in document("1")["paths"].items() for method in each]
    assert sorted(asyncio.run(main())) == sorted(described)


def test_the_document_is_served_and_what_it_refers_to_is_in_it(tmp_path: Path) -> None:
    async def main() -> Any:
        async with api(tmp_path) as side:
            return await side.get("/openapi.json")

    found = asyncio.run(main())
    assert found["openapi"].startswith("3.1") and found["paths"] == document("1")["paths"]
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(found)))
    assert referred <= found["components"]["schemas"].keys() and "Packed" in referred
    fields = found["components"]["schemas"]["PushRollout"]
    assert {"obs", "rewards", "dones", "elapsed"} <= fields["properties"].keys() and "obs" in fields["required"]


def test_every_status_that_is_documented_stands_in_the_reference() -> None:
    each = [operation for found in document("1")["paths"].values() for operation in found.values()]
    documented = {status for operation in each for status in operation["responses"]} - {"200"}
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")
    table = text.partition("## Status codes")[2]
    assert set(re.findall(r"^\| (\d+) \|", table, re.M)) == documented | {"404"}
    assert all("405" in operation["responses"] for operation in each)


KIND = b"Content-Type: application/json\r\n"


class Raw:
    """Requests as bytes, to one port."""

    def __init__(self, port: int) -> None:
        self.host = f"Host: 127.0.0.1:{port}\r\n".encode()
        self.token = f"Authorization: Bearer {TOKEN}\r\n".encode()

    def post(
        self, path: bytes, body: bytes, more: bytes = b"", length: int | None = None, by: bytes | None = None
    ) -> bytes:
        n, token = len(body) if length is None else length, self.token if by is None else by
        head = (path, self.host, token, KIND, more, n, body)
        return b"POST %s HTTP/1.1\r\n%s%s%s%sContent-Length: %d\r\n\r\n%s" % head

    def chunked(self, body: bytes, more: bytes = b"") -> bytes:
        head = b"POST /events HTTP/1.1\r\n" + self.host + self.token + KIND + more
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + body

    def get(self, path: bytes, more: bytes = b"") -> bytes:
        return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path, self.host, more)


def odd_bodies(raw: Raw) -> dict[str, bytes]:
    """Bodies, and what is said of them, that no client of ours would send."""
    post, chunked = raw.post, raw.chunked
    return {
        **{
            f"{name.decode()} that is none": post(b"/push_rollout", b"abcd", b"Content-Encoding: %s\r\n" % name)
            for name in (b"gzip", b"deflate", b"br", b"zstd", b"nonsense")
        },
        "a bomb of gzip": post(b"/events", gzip.compress(bytes(64 << 20), 1), b"Content-Encoding: gzip\r\n"),
        "a chunk without a length": chunked(b"ZZ\r\n"),
        "a bad second chunk": chunked(b"2\r\n{}\r\nXX\r\n\r\n"),
        "two lengths": post(b"/events", EVENT, b"Content-Length: 3\r\n"),
        "length and chunks": chunked(b"0\r\n\r\n", b"Content-Length: 5\r\n"),
        "a negative length": post(b"/events", b"", length=-5),
        "an endless length": post(b"/events", b"", length=10**30),
        "a length beyond the limit": post(b"/push_rollout", b"", length=1 << 40),
        "an odd charset": post(b"/events", EVENT).replace(b"json\r", b"json; charset=nonsense\r"),
        "a type that is no text": post(b"/events", EVENT).replace(b"application/json", b"\xff\xfe/;;=\xff"),
        "tensors as an event": post(b"/events", bytes(8)).replace(b"json", b"vnd.safetensors"),
        "a half character": post(b"/events", b'{"event_type":"\\ud800"}'),
        "depth": post(b"/events", b'{"event_type":"a","payload":' + b"[" * 9000 + b"]" * 9000 + b"}"),
        "a long number": post(b"/events", b'{"event_type":"a","payload":' + b"9" * 9000 + b"}"),
        "no finite number": post(b"/events", b'{"event_type":"a","payload":1e999}'),
        "branches that are none": post(
            b"/register_worker", b'{"instance_id":"","policy_name":"p","capabilities":{"branches":{"a":[]}}}'
        ),
        "no names": post(b"/register_worker", b'{"instance_id":"","policy_name":""}'),
    }  # fmt: skip


def odd_heads(raw: Raw) -> dict[str, bytes]:
    """Lines and headers that no client of ours would send."""
    paths = (
        b"/events?limit=-5", b"/events?limit=99999999999999999999999", b"/events?limit=%ff", b"/get_weights",
        b"/get_weights?policy_name=%00", b"/get_weights?policy_name=%ed%a0%80", b"//status", b"/status%00", b"/?%zz=%",
        b"/get_weights?policy_name=..%2f..%2fetc", b"/get_weights?policy_name=" + b"n" * 4000,
        b"/get_weights?policy_name=p&since_version=1e9", b"/../../etc/passwd", b"http://other.test/status",
    )  # fmt: skip
    methods = (b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"CONNECT", b"BREW")
    return {
        **{f"a question {path!r}": raw.get(path) for path in paths},
        **{f"{method!r}": raw.post(b"/events", b"").replace(b"POST", method, 1) for method in methods},
        "a token that is no text": raw.post(b"/events", EVENT, by=b"Authorization: Bearer \xff\xfe\r\n"),
        "a token of half a character": raw.post(b"/events", EVENT, by=b"Authorization: Bearer \xed\xa0\x80\r\n"),
        "an Accept that is no text": raw.get(b"/get_weights?policy_name=p", b"Accept: \xff\xfe\r\n"),
        "metrics for that": raw.get(b"/metrics", b"Accept: \xff\xfe\r\n"),
        "a range": raw.get(b"/page.js", b"Range: bytes=5-1\r\n"),
        "an expectation": raw.post(b"/events", EVENT, b"Expect: x\r\n"),
        "a long header": raw.get(b"/", b"X: " + b"a" * 100_000 + b"\r\n"),
        "many headers": raw.get(b"/", b"".join(b"X%d: 1\r\n" % i for i in range(9000))),
        "a handshake": b"\x16\x03\x01\x02\0\x01\0",
        "an old version": b"GET /status HTTP/1.0\r\n\r\n",
        "no version": b"GET /status\r\n\r\n",
    }


def test_no_bytes_of_a_stranger_are_answered_with_a_failure_of_the_server(tmp_path: Path) -> None:
    async def answer(port: int, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            async with asyncio.timeout(60):
                return await reader.readline()
        except ConnectionError:
            return b"closed"
        finally:
            writer.close()

    async def main() -> None:
        async with api(tmp_path) as side:
            raw = Raw(side.port)
            for name, data in {**odd_bodies(raw), **odd_heads(raw)}.items():
                line = await answer(side.port, data)
                assert re.match(rb"HTTP/\d\.\d [1234]\d\d |closed", line), (name, line)
            assert (await side.get("/healthz")) == {"ok": True} and side.learning.child.starts == 0

    asyncio.run(main())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a server that runs on a thread."""
    told: list[Api] = []
    is_up, loops = threading.Event(), []

    async def main() -> None:
        done = asyncio.Event()
        loops.append((asyncio.get_running_loop(), done))
        async with api(tmp_path) as side:
            told.append(side)
            is_up.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert is_up.wait(60)
    yield f"http://127.0.0.1:{told[0].port}"
    loop, done = loops[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(60)


def assert_answers_are_documented(address: str, strategy: Any, documented: set[str]) -> None:
    """Send what the strategy makes; each answer is documented, and none is a failure of the server."""
    from hypothesis import HealthCheck, given, settings

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def run(case: Any) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"} if case.method == "POST" else {}
        reply = case.call(base_url=address, headers=headers, timeout=240)
        assert reply.status_code < 500 or reply.status_code in MAY_FAIL, (case, reply.text)
        assert str(reply.status_code) in documented, (case, reply.text)

    run()


@pytest.mark.campaign
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_a_fuzzer_that_reads_the_document_finds_only_documented_answers(served: str, mode: str) -> None:
    """Schemathesis makes requests that the document allows, and others."""
    import schemathesis

    found = document("1")
    for path, each in found["paths"].items():
        for method, operation in each.items():
            if path == "/events/stream" or (
                mode == "NEGATIVE" and not operation.keys() & {"parameters", "requestBody"}
            ):
                continue
            made = schemathesis.openapi.from_dict(found)[path][method.upper()]
            strategy = made.as_strategy(generation_mode=schemathesis.GenerationMode[mode])
            assert_answers_are_documented(served, strategy, {*operation["responses"], "400", "405"})
