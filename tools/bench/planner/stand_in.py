"""A language model's server that behaves badly in every way that is known, for tests and for the fault bench.

It speaks Ollama's API (`/api/...`) and OpenAI's (`/v1/...`), and follows the body that it is sent: `stream`, `format`,
`think`. `python -m tools.bench.planner.stand_in MODE [PORT]` serves until it is ended; a line on its standard input
names the next mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

GOOD: Final = '{"plan":[1]}'
DRIP_S: Final = 0.05
MODES: Final = (
    "good", "fenced", "thinking", "low_only", "whole", "hang", "drip", "silent", "error", "garbage", "html", "prose",
    "empty", "invalid", "nested", "not_found", "redirect", "killed", "short", "huge", "gzip",
)  # fmt: skip
"""good: as it should be. fenced: in a Markdown fence. thinking: content empty, the answer in the thinking. low_only:
breaks the schema unless `think` is "low". whole: in one piece. hang: takes the request and says nothing. drip: a byte
now and then, without end. silent: begins the reply, then nothing. killed: resets the connection in the reply. short:
ends the reply before it is done."""


def first_id(body: dict[str, Any]) -> str:
    """The answer that a sensible model gives: the first of the numbered items."""
    found = re.search(r"^(\d+)[.:]", body["messages"][-1]["content"], re.M)
    return json.dumps({"plan": [int(found[1]) if found else 1]})


class StandIn:
    """The server. `mode` may be changed at any time; `asked` are the bodies of all questions.

    listed: Ollama's models as it lists them, in place of `models`. heads: of all requests.
    """

    def __init__(self, mode: str = "good", reply: Callable[[dict[str, Any]], str] = first_id) -> None:
        self.mode, self.reply = mode, reply
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.heads: list[str] = []
        self.port = 0
        self.models, self.version = ["tiny:latest"], "0.17.3"
        self.listed: list[dict[str, Any]] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> StandIn:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, path, _ = head.split(" ", 2)
                length = re.search(r"(?i)^content-length: *(\d+)", head, re.M)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.paths.append(path)
                self.heads.append(head)
                await self._answer(method, path, json.loads(body) if body else {}, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, method: str, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        looks = {
            "/api/version": {"version": self.version},
            "/api/tags": {"models": self.listed or [{"name": m, "model": m} for m in self.models]},
            "/v1/models": {"data": [{"id": m} for m in self.models]},
        }  # fmt: skip
        if path in looks:
            return await self._send(writer, 200, json.dumps(looks[path]).encode())
        if path not in ("/api/chat", "/v1/chat/completions") or method != "POST":
            return await self._send(writer, 404, b'{"error":"no such path"}')
        self.asked.append(body)
        await self._chat(path, body, writer)

    async def _chat(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        mode, good = self.mode, self.reply(body)
        texts = {
            "fenced": f"```json\n{good}\n```", "thinking": "", "prose": f"Sure! Here is the plan: {good}", "empty": "",
            "invalid": '{"plan":["attack"]}', "nested": "[" * 3000,
            "low_only": good if body.get("think") == "low" else "{}",
        }  # fmt: skip
        text, thinking = texts.get(mode, good), good if mode == "thinking" else ""
        whole = self._pieces(path, text, thinking, body)
        if mode == "hang":
            await asyncio.sleep(3600)
        elif mode in ("silent", "drip", "huge", "killed", "short"):
            await self._badly(mode, whole, writer)
        elif mode == "garbage":
            writer.write(bytes(range(256)) * 4)
            await writer.drain()
        elif mode in ("error", "not_found"):
            status = 500 if mode == "error" else 404
            await self._send(writer, status, b'{"error":"model \'tiny\' not found"}')
        elif mode == "redirect":
            await self._send(writer, 307, b"", {"Location": f"http://127.0.0.1:{self.port}/elsewhere"})
        elif mode == "html":
            await self._send(writer, 200, b"<html><body>Welcome</body></html>", {"Content-Type": "text/html"})
        elif mode == "gzip":
            await self._send(writer, 200, gzip.compress(b"".join(whole)), {"Content-Encoding": "gzip"})
        elif mode == "whole" and path.startswith("/v1"):
            said = {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": {"prompt_tokens": 7}}
            await self._send(writer, 200, json.dumps(said).encode())
        else:
            kind = "application/x-ndjson" if path == "/api/chat" else "text/event-stream"
            await self._send(writer, 200, b"".join(whole), {"Content-Type": kind})

    def _pieces(self, path: str, text: str, thinking: str, body: dict[str, Any]) -> list[bytes]:
        """The reply as a server sends it, a piece at a time."""
        half = len(text) // 2
        if path == "/api/chat":
            base = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
            first = {"role": "assistant", "content": text[:half], "thinking": thinking}
            parts = [
                {**base, "message": first, "done": False},
                {**base, "message": {"role": "assistant", "content": text[half:]}, "done": False},
                {**base, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop",
                 "prompt_eval_count": 40, "eval_count": 8},
            ]  # fmt: skip
            return [json.dumps(part).encode() + b"\n" for part in parts]
        deltas: list[dict[str, Any]] = [
            {"content": text[:half], "reasoning_content": thinking},
            {"content": text[half:]},
        ]
        events: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
        events.append({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 8}})
        return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]

    async def _badly(self, mode: str, whole: list[bytes], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n")
        await writer.drain()
        if mode == "silent":
            await asyncio.sleep(3600)
        elif mode == "drip":
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(DRIP_S)
        elif mode == "huge":
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        else:
            writer.write(whole[0])
            await writer.drain()
            await asyncio.sleep(0.02)
            if mode == "killed":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        head = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"{key}: {value}" for key, value in {**head, **(headers or {})}.items()]
        writer.write("\r\n".join([f"HTTP/1.1 {status} Status", *lines, "", ""]).encode() + body)
        await writer.drain()


async def main(mode: str, port: int) -> None:
    """Serve until standard input ends."""
    async with StandIn(mode) as server:
        await server.stop()
        await server.start(port)
        print(server.port, flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            server.mode = line
            print(f"{len(server.asked)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
