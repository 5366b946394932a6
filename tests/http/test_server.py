"""The HTTP server: pages, guards against other origins, deadlines (S7–S9, S13), and the token."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import socket
import stat
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import numpy as np
import psutil
import pytest
from aiohttp import web

from agent.core.clock import Clock, SystemClock
from agent.core.errors import SettingsError
from agent.core.part import Route
from agent.http import server as serving
from agent.http.server import serve
from agent.http.token import load_token, session_token

TOKEN = "t" * 43
STATUS: dict[str, Any] = {
    "games": [
        {
            "name": "arena",
            "link": dict.fromkeys(
                (
                    "received",
                    "acted",
                    "superseded",
                    "rejected",
                    "expired",
                    "closed",
                    "timed_out",
                    "corrupt",
                    "refused",
                    "dropped",
                ),
                3,
            ),
        }
    ],
    "latency": {"policy": {"p50_ms": 0.5, "p90_ms": 0.6, "p99_ms": 0.7, "max_ms": 0.8}},
    "deadline_missed": {"policy": 2},
    "rss_mb": 100.0,
}


class Source:
    frame: np.ndarray | None = None
    built = 0

    def status(self) -> dict[str, Any]:
        self.built += 1
        return STATUS

    def newest_frame(self) -> np.ndarray | None:
        return self.frame


async def _write(request: web.Request) -> web.StreamResponse:
    return web.json_response({"length": len(await request.read())})


async def _fail(request: web.Request) -> web.StreamResponse:
    raise RuntimeError("secret-inside")


ROUTES = [Route("POST", "/write", _write), Route("GET", "/fail", _fail)]


@contextlib.asynccontextmanager
async def served(
    source: Source | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[int, aiohttp.ClientSession]]:
    ports: asyncio.Queue[int] = asyncio.Queue()
    task = asyncio.ensure_future(
        serve(
            source or Source(), port=0, token=TOKEN, clock=clock or SystemClock(), extra_routes=ROUTES,
            ready=ports.put_nowait,
        )
    )  # fmt: skip
    port = await ports.get()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            yield port, session
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_pages_and_numbers_are_there() -> None:
    async def main() -> None:
        source = Source()
        async with served(source) as (_, http):
            for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
                async with http.get(path) as answer:
                    assert answer.status == 200 and answer.content_type == kind
                    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            async with http.get("/status") as answer:
                assert await answer.json() == STATUS
            async with http.get("/healthz") as answer:
                assert await answer.json() == {"ok": True}
            async with http.get("/metrics") as answer:
                text = await answer.text()
                assert 'metabonk_packets_total{fate="acted",game="arena"} 3.0' in text
                assert 'metabonk_latency_ms{quantile="0.99",stage="policy"} 0.7' in text
            async with http.get("/frame.jpg") as answer:
                assert answer.status == 404
            source.frame = np.zeros((8, 8, 3), np.uint8)
            async with http.get("/frame.jpg") as answer:
                assert answer.status == 200 and (await answer.read())[:2] == b"\xff\xd8"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_pages_of_other_origins_are_refused(headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        async with served() as (_, http), http.get("/status", headers=headers) as answer:
            assert answer.status == status

    asyncio.run(main())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Content-Type": "text/plain", "Authorization": f"Bearer {TOKEN}"}, 415),
        ({"Content-Type": "application/json"}, 401),
        ({"Content-Type": "application/json", "Authorization": "Bearer wrong"}, 401),
        ({"Content-Type": "application/json", "Authorization": f"Basic {TOKEN}"}, 401),
    ],
)
def test_nothing_is_written_without_type_and_token(method: str, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        async with served() as (_, http), http.request(method, "/write", data=b"{}", headers=headers) as answer:
            assert answer.status == status

    asyncio.run(main())


def test_what_writes_is_let_in_with_type_and_token_and_held_to_the_limit() -> None:
    async def main() -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        async with served() as (port, http):
            for origin in ({}, {"Origin": f"http://127.0.0.1:{port}"}):
                async with http.post("/write", data=b"{}", headers=headers | origin) as answer:
                    assert await answer.json() == {"length": 2}
            async with http.post("/write", data=io.BytesIO(bytes(2 << 20)), headers=headers) as answer:
                assert answer.status == 413
            async with http.get("/write", headers=headers) as answer:
                assert answer.status == 405 and answer.headers["Allow"] == "POST"
            async with http.get("/none") as answer:
                assert answer.status == 404

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore")
def test_a_failure_shows_nothing_of_its_inside() -> None:
    async def main() -> None:
        async with served() as (_, http), http.get("/fail") as answer:
            assert answer.status == 500 and "secret-inside" not in await answer.text()

    asyncio.run(main(), debug=False)  # aiohttp shows a failure's inside where the loop is in debug mode


@pytest.mark.filterwarnings("ignore")
def test_what_a_client_sends_wrongly_fills_no_log_and_what_fails_here_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    write = f"POST /write HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"

    async def main() -> None:
        async with served() as (port, http):
            host = f"Host: 127.0.0.1:{port}\r\n"
            for text in (
                "\x16\x03\x01\r\n\r\n", f"{write}{host}Content-Length: -5\r\n\r\n",
                f"{write}{host}Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
                f"{write}{host}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
            ):  # fmt: skip
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(text.encode())
                assert await asyncio.wait_for(reader.readline(), 60)
                writer.close()
            assert not caplog.records
            async with http.get("/fail") as answer:
                assert answer.status == 500
            assert [record.levelname for record in caplog.records] == ["ERROR"]

    asyncio.run(main(), debug=False)


def test_half_open_connections_are_closed_in_time_and_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADER_DEADLINE_S", 0.4)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with served() as (port, http):
            with contextlib.ExitStack() as stack:
                half = [stack.enter_context(socket.socket()) for _ in range(200)]
                for sock in half:
                    sock.setblocking(False)
                    await loop.sock_connect(sock, ("127.0.0.1", port))
                    sock.send(b"GET / HTTP/1.1\r\nHost:")
                async with http.get("/healthz") as answer:
                    assert answer.status == 200
                async with asyncio.timeout(30):
                    ends = await asyncio.gather(*(loop.sock_recv(s, 64) for s in half), return_exceptions=True)
                assert all(end == b"" or isinstance(end, ConnectionError) for end in ends)

    asyncio.run(main())


def test_an_idle_connection_goes_before_one_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 4)
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"

    async def main() -> None:
        async with served() as (port, _), contextlib.AsyncExitStack() as stack:

            async def opened(*said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                for text in said:
                    writer.write(text)
                return reader, writer

            async def answer(reader: asyncio.StreamReader) -> bytes:
                async with asyncio.timeout(60):
                    return await reader.readuntil(b'{"ok": true}')

            head = ask % port
            begun = await opened(head[:20])
            idle = await opened(head)
            assert b"200" in await answer(idle[0])
            others = [await opened(head[:20]) for _ in range(2)]
            newest = await opened(head)
            assert b"200" in await answer(newest[0])
            async with asyncio.timeout(60):
                assert await idle[0].read() == b"", "the idle one was let go"
            for reader, writer in (begun, *others):
                writer.write(head[20:])
                assert b"200" in await answer(reader), "those that ask were not"

    asyncio.run(main())


def test_where_all_are_busy_the_newest_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    connections, loop = serving._Connections(), asyncio.new_event_loop()
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)

    class Transport:
        aborted = False

        def abort(self) -> None:
            self.aborted = True

        def is_closing(self) -> bool:
            return self.aborted

    first, second, third, fourth = (Transport() for _ in range(4))
    for transport in (first, second):
        connections.opened(transport)  # type: ignore[arg-type]
        connections.asked(transport)  # type: ignore[arg-type]
    connections.opened(third)  # type: ignore[arg-type]
    assert [t.aborted for t in (first, second, third)] == [False, False, True]
    connections.answered(first)  # type: ignore[arg-type]
    connections.opened(fourth)  # type: ignore[arg-type]
    assert [t.aborted for t in (first, second, fourth)] == [True, False, False]
    connections.closed(fourth)  # type: ignore[arg-type]
    loop.close()


def test_who_was_let_go_makes_room_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a connection is told later; those that come meanwhile let others go, not the same one again."""
    connections, loop = serving._Connections(), asyncio.new_event_loop()
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    idle, other, waiting, *new = (mock.Mock(asyncio.Transport, is_closing=lambda: False) for _ in range(6))
    for transport in (idle, other, waiting):
        connections.opened(transport)
    for transport in (idle, other):
        connections.asked(transport)
        connections.answered(transport)
    gone = []
    for transport in new:
        connections.opened(transport)
        gone.append([t.abort.call_count for t in (idle, other, waiting)])
    assert gone == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert not any(transport.abort.called for transport in new)
    for transport in new:
        connections.closed(transport)
    loop.close()


def test_what_reads_answers_head_as_well() -> None:
    async def main() -> None:
        async with served() as (_, http):
            for path in ("/", "/page.js", "/status", "/healthz", "/metrics"):
                async with http.get(path) as whole, http.head(path) as answer:
                    assert answer.status == 200 and await answer.read() == b""
                    assert answer.headers["Content-Length"] == str(len(await whole.read()))
            async with http.head("/write") as answer:
                assert answer.status == 405

    asyncio.run(main())


def test_the_status_shows_no_full_path() -> None:
    class Telling(Source):
        def status(self) -> dict[str, Any]:
            return STATUS | {
                "weights": {"folder": "/srv/my disk/weights", "refused": {"w": "/home/me/x/w.json: not a manifest"}},
                "windows": r"C:\Users\me\w.json", "own": str(Path("~/a/b").expanduser()),
                "kept": ["bonklink://127.0.0.1:5560", "59 actions/s", "gym:ALE/Pong-v5", "(file.py:12)"],
            }  # fmt: skip

    async def main() -> None:
        async with served(Telling()) as (_, http), http.get("/status") as answer:
            shown = await answer.json()
        assert shown["weights"] == {"folder": "weights", "refused": {"w": "w.json: not a manifest"}}
        assert (shown["windows"], shown["own"]) == ("w.json", "b")
        assert shown["kept"] == ["bonklink://127.0.0.1:5560", "59 actions/s", "gym:ALE/Pong-v5", "(file.py:12)"]

    asyncio.run(main())


def test_it_listens_on_this_machine_alone_and_says_when_its_port_is_taken() -> None:
    async def main() -> None:
        async with served() as (port, _):
            listening = [c for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            assert {c.laddr.ip for c in listening if c.laddr.port == port} == {"127.0.0.1"}
            with pytest.raises(SettingsError, match="--http-port"):
                await serve(Source(), port=port, token=TOKEN, clock=SystemClock())

    asyncio.run(main())


def test_the_token_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    token = load_token("", tmp_path / "made")
    assert len(token) >= 32 and load_token("", tmp_path / "made") == token
    assert load_token("given", tmp_path) == "given"
    path = tmp_path / "made" / "http-token"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        with pytest.raises(SettingsError, match="chmod 600"):
            load_token("", tmp_path / "made")
        path.chmod(0o600)
    path.write_text("short\n", encoding="ascii")
    with pytest.raises(SettingsError, match="delete it"):
        load_token("", tmp_path / "made")


def test_many_first_starts_at_once_get_one_token(tmp_path: Path) -> None:
    for folder in (tmp_path / str(i) for i in range(20)):
        gate = threading.Barrier(20)
        with ThreadPoolExecutor(20) as pool:
            tokens = set(pool.map(lambda _: (gate.wait(), load_token("", folder))[1], range(20)))  # noqa: B023
        assert len(tokens) == 1 and [p.name for p in folder.iterdir()] == ["http-token"]


def test_where_no_token_can_be_kept_play_goes_on_and_writes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file" / "none"))
    assert session_token(TOKEN, said.append) == TOKEN and said == []
    assert session_token("", said.append) != session_token("", said.append)
    assert len(said) == 2 and "METABONK_HTTP_TOKEN" in said[0]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert session_token("", said.append) == session_token("", said.append) and len(said) == 2


def test_a_full_disk_leaves_no_half_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(SettingsError, match="No space left.*set METABONK_HTTP_TOKEN"):
            load_token("", tmp_path)
    assert list(tmp_path.iterdir()) == [] and len(load_token("", tmp_path)) >= 32


def test_a_token_is_taken_from_files_of_windows_and_one_that_cannot_be_sent_is_refused(tmp_path: Path) -> None:
    assert load_token(f"{TOKEN}\r\n") == TOKEN
    path = tmp_path / "http-token"
    path.write_bytes(b"\xef\xbb\xbf" + TOKEN.encode() + b"\r\n")
    path.chmod(0o600)
    assert load_token("", tmp_path) == TOKEN
    for given in ("two words", "t\u00f6ken", "a\x00b", "a\nb"):
        with pytest.raises(SettingsError, match="METABONK_HTTP_TOKEN"):
            load_token(given)
    for damaged in (b"\xff\xfe\x00", b"\xff" * 40, b"\x00" * 40):
        path.write_bytes(damaged)
        with pytest.raises(SettingsError, match="delete it"):
            load_token("", tmp_path)


def test_the_page_asks_for_nothing_beyond_its_own_server() -> None:
    web_folder = Path(serving.__file__).resolve().parent / "page"
    for name in ("index.html", "page.js", "page.css"):
        text = (web_folder / name).read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\"/]+", text))
        assert addresses <= {"http://www.w3.org"} and "innerHTML" not in text
    assert json.dumps(STATUS)


def test_an_end_does_not_wait_for_connections_that_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait_closed(server: asyncio.Server) -> None:
        """As from Python 3.12 on."""
        while server._active_count:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)

    monkeypatch.setattr(asyncio.Server, "wait_closed", wait_closed)

    async def main() -> None:
        ports = asyncio.Queue[int]()
        task = asyncio.ensure_future(serve(Source(), port=0, token=TOKEN, clock=SystemClock(), ready=ports.put_nowait))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await ports.get()}") as http:
            async with http.get("/healthz") as answer:
                await answer.read()
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=5)
        assert done, "the client's connection held the end up"

    asyncio.run(main())
