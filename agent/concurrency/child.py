"""A child process that answers calls: started on the first one, started anew after it ended.

Its work costs this process nothing but the bytes that go through the pipes. Owns the process and two threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

import psutil
import structlog

from agent.concurrency.frames import Head, read_frame, write_frame
from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Failure, attempt
from agent.core.errors import ChildGone, RequestError

CLOSE_S: Final = 0.2
log = structlog.get_logger(__name__)
Answer = tuple[Head, bytes]


class Child:
    """One child; `module` is run with `arguments`. `max_waiting` calls may be under way."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str] = (),
        *,
        max_waiting: int = 8,
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.starts = 0
        self._command = [sys.executable, "-m", module, *arguments]
        self._max_waiting = max_waiting
        self._on_start = on_start
        self._lane = Lane(f"{name} pipe")
        self._process: subprocess.Popen[bytes] | None = None
        self._calls = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._closed = False

    @property
    def is_up(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def waiting(self) -> int:
        """Calls under way."""
        return len(self._waiting)

    async def call(self, head: Head, payload: bytes = b"") -> Answer:
        """Send one call and await its answer.

        Raises RequestError where the child answers with a failure or too many calls wait, ChildGone where it ended.
        """
        if self._closed:
            raise ChildGone(f"{self.name}: the session ends")
        if len(self._waiting) >= self._max_waiting:
            raise RequestError(503, f"{self.name}: {len(self._waiting)} calls wait already; try again later")
        loop = asyncio.get_running_loop()
        number = next(self._calls)
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting[number] = future
        try:
            await self._lane.run(lambda: self._send(loop, head | {"call": number}, payload))
            answer, back = await future
        finally:
            self._waiting.pop(number, None)
        if "error" in answer:
            raise RequestError(answer.get("status", 500), f"{self.name}: {answer['error']}")
        return answer, back

    def _send(self, loop: asyncio.AbstractEventLoop, head: Head, payload: bytes) -> None:
        if not self.is_up:
            self._start(loop)
        process = self._process
        assert process is not None and process.stdin is not None
        try:
            write_frame(process.stdin, head, payload)  # type: ignore[arg-type]
        except OSError as error:
            raise ChildGone(f"{self.name}: its process ended") from error

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise ChildGone(f"{self.name}: {error.strerror or error}") from error
        self._process = process
        self.starts += 1
        self._on_start()
        log.info("child_started", child=self.name, pid=process.pid)
        reader = threading.Thread(target=self._read, args=(loop, process), name=f"{self.name} answers", daemon=True)
        reader.start()

    def _read(self, loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes]) -> None:
        stdout: BinaryIO = process.stdout  # type: ignore[assignment]
        with stdout:
            while True:
                frame = attempt(lambda: read_frame(stdout))
                if frame is None or isinstance(frame, Failure):
                    break
                _on(loop, self._answered, frame)
        code = process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        _on(loop, self._ended, code)

    def _answered(self, frame: Answer) -> None:
        future = self._waiting.get(frame[0]["call"])
        if future is not None and not future.done():
            future.set_result(frame)

    def _ended(self, code: int) -> None:
        if not self._closed:
            log.warning("child_ended", child=self.name, code=code)
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(ChildGone(f"{self.name}: its process ended with {code}"))

    def close(self) -> None:
        """End the process: it leaves when its pipe is closed; what it was doing is lost."""
        self._closed = True
        self._lane.close()
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def status(self) -> dict[str, Any]:
        """Whether it runs, its memory, its starts, and how many calls wait."""
        rss_mb = 0.0
        if self.is_up and self._process is not None:
            with contextlib.suppress(psutil.Error):
                rss_mb = round(psutil.Process(self._process.pid).memory_info().rss / 2**20, 1)
        return {"up": self.is_up, "rss_mb": rss_mb, "starts": self.starts, "waiting": self.waiting}


def _on(loop: asyncio.AbstractEventLoop, fn: Callable[[Any], None], value: Any) -> None:
    """Call on the loop, if it still runs."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(fn, value)
