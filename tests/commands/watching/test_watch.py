"""The command asks the session at the port, prints what it is told, and gets links with the token alone."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agent.commands.cli import run
from tests.commands.watching.test_shown import state


class _Server(http.server.BaseHTTPRequestHandler):
    asked: list[tuple[str, str, str | None]] = []
    answers: dict[str, tuple[int, bytes]] = {}
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, body = self.answers[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, *told: Any) -> None: ...


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("METABONK_HTTP_TOKEN", "t" * 43)
    monkeypatch.delenv("DISPLAY", raising=False)
    _Server.asked = []
    _Server.answers = {
        "/api/v1/state": (200, json.dumps(state()).encode()),
        "/api/v1/link": (200, b'{"ok":true,"path":"/login?key=k"}'),
    }  # fmt: skip
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield str(server.server_address[1])
    server.shutdown()
    server.server_close()


def test_one_look_and_a_link(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", "--once", "--http-port", port]) == 0
    assert "MOTOR" in capsys.readouterr().out
    assert run(["watch", "--link", "--http-port", port]) == 0
    assert capsys.readouterr().out == f"http://127.0.0.1:{port}/login?key=k\n"
    assert _Server.asked[0][:2] == ("GET", "/api/v1/state") and _Server.asked[1][2] == "Bearer " + "t" * 43


@pytest.mark.parametrize(
    ("path", "answer", "words", "said"),
    [("/api/v1/state", (200, b"<html>"), [], "no session of this program"),
     ("/api/v1/state", None, ["--game", "3"], "0 to 0"),
     ("/api/v1/link", (401, b'{"error": "a wrong token"}'), ["--link"], "a wrong token")],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_a_line(
    port: str, path: str, answer: Any, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if answer is not None:
        _Server.answers[path] = answer
    assert run(["watch", "--once", "--http-port", port, *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_where_no_session_is_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", "--http-port", "9"]) == 2
    assert "python -m agent play" in " ".join(capsys.readouterr().err.split())
