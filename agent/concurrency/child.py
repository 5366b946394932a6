"""Child processes from the parent's side: started, talked to, limited in time, restarted and ended in one way.

`ChildProcess` is one process and its pipe. `Child` answers calls: it starts its process on the first one and anew
after it ended. What a child does costs this process nothing but the bytes that go through the pipes. Nothing waits for
a child without a deadline: a process that is stopped, hangs or does not read is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, TypeVar

import msgspec
import psutil
import structlog

from agent.concurrency.frames import UNASKED, Failed, Frame, Message, decoder_of, read_frame, write_frame
from agent.concurrency.lane import Lane
from agent.concurrency.output import read_lines
from agent.concurrency.supervise import Failure, Supervisor, attempt
from agent.core.errors import ChildGone, RequestError

CLOSE_S: Final = 0.2
KILLED_S: Final = 2.0
"""How long a killed process is waited for."""
SILENT_S: Final = 60.0
"""A process with calls under way that gives no sign of life for this long hangs."""
ANSWER_S: Final = 1800.0
"""How long one call may take where its caller does not say."""
SLICE_S: Final = 0.5
PIPES_S: Final = 1.0
"""How long after its end what a child wrote may take to be read."""
REAPER: Final = Path(__file__).with_name("reaper.py")
_HAS_REAPER: Final = sys.platform != "win32"
_APART: Final[dict[str, Any]] = {
    "start_new_session": True, "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
}  # fmt: skip
"""A terminal's Ctrl-C and its end are this process's to answer, which then ends its children in its own way."""
log = structlog.get_logger(__name__)
A = TypeVar("A", bound=Message)


class ChildProcess:
    """One process, started at once. `on_frame` and `on_end` (with the exit code) are called on threads of its own.

    on_line: takes each line of the child's standard error (see `output.read_lines`) on a thread; without it they go
    where this process's go. reaped: the child runs code of others: it is run below a reaper (see `reaper`), which ends
    all that it leaves behind. Raises ChildGone where it cannot be started.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str] = (),
        *,
        on_frame: Callable[[Frame], None],
        on_end: Callable[[int], None],
        on_line: Callable[[str], None] | None = None,
        reaped: bool = False,
    ) -> None:
        self.name = name
        self._sending = threading.Lock()
        self._reaped = reaped and _HAS_REAPER
        command = [sys.executable, *([str(REAPER)] if self._reaped else ["-m"]), module, *arguments]
        errors = None if on_line is None else subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, **_APART
            )
        except OSError as error:
            raise ChildGone(f"{name}: {error.strerror or error}") from error
        self._lines = self._thread("lines", lambda: self._read_lines(on_line))
        self._reader = self._thread("pipe", lambda: self._read(on_frame))
        self._waiter = self._thread("end", lambda: self._wait(on_end))

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"{self.name} {name}", daemon=True)
        thread.start()
        return thread

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while the process runs."""
        return self._process.poll()

    @property
    def rss_mb(self) -> float:
        """Resident memory in MiB, 0 where it has ended."""
        if self.exit_code is not None:
            return 0.0
        with contextlib.suppress(psutil.Error):
            return float(round(psutil.Process(self.pid).memory_info().rss / 2**20, 1))
        return 0.0

    def send(self, call: int, message: Message, payload: bytes) -> None:
        """Send one message; raises ChildGone. Blocks while the pipe is full, until the process is ended."""
        try:
            with self._sending:
                write_frame(self._process.stdin, call, message, payload)  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            raise ChildGone(f"{self.name}: its process ended") from error

    def _read(self, on_frame: Callable[[Frame], None]) -> None:
        stdout: BinaryIO = self._process.stdout  # type: ignore[assignment]
        with stdout:
            while True:
                frame = attempt(lambda: read_frame(stdout))
                if frame is None or isinstance(frame, Failure):
                    break
                on_frame(frame)
        if isinstance(frame, Failure):
            self.kill()
        self._reap(KILLED_S)

    def _wait(self, on_end: Callable[[int], None]) -> None:
        """Tell the end when it is there, also where what the child left behind holds its pipes open."""
        code = self._process.wait()
        self.leave(KILLED_S)
        if self._reaped:
            _kill_session(self.pid)
        for thread in (self._reader, self._lines):
            thread.join(PIPES_S)
        on_end(code)

    def _read_lines(self, on_line: Callable[[str], None] | None) -> None:
        if on_line is not None and self._process.stderr is not None:
            with self._process.stderr as file:
                attempt(lambda: read_lines(file.fileno(), on_line))

    def leave(self, within_s: float = CLOSE_S) -> None:
        """Close the pipe, which tells the process to end; one that is being written into is left to `kill`."""
        if self._sending.acquire(timeout=within_s):
            try:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()  # type: ignore[union-attr]
            finally:
                self._sending.release()

    def _reap(self, within_s: float) -> int:
        """The exit code of a process that should be ending; it is killed where it takes longer."""
        for end in (self.kill, self._process.kill):
            try:
                return self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                end()
            within_s = KILLED_S
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(KILLED_S)
        return -signal.SIGKILL if sys.platform != "win32" else 1

    def kill(self) -> None:
        """End the process now, and what it left behind; does not wait for it."""
        if self._reaped and self.exit_code is None:
            self._process.send_signal(signal.SIGUSR1)
        else:
            self._process.kill()

    def close(self, within_s: float = CLOSE_S) -> None:
        """End the process: it leaves when its pipe is closed, and is killed where it takes longer."""
        self.leave(within_s)
        self._reap(within_s)
        self._waiter.join(KILLED_S)


def _kill_session(session: int) -> None:
    """Kill what is left of a session whose first process has ended."""
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session:
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def no_helpers_left() -> Iterator[None]:
    """A context at whose end no process is left that was started below this one inside it, as an environment may."""
    before = set(psutil.Process().children(recursive=True))
    try:
        yield
    finally:
        helpers = set(psutil.Process().children(recursive=True)) - before
        for helper in helpers:
            with contextlib.suppress(psutil.Error):
                helper.kill()
        psutil.wait_procs(helpers, timeout=KILLED_S)


class _Call(NamedTuple):
    """A call under way, and the number of the start whose process it belongs to."""

    future: asyncio.Future[Frame]
    start: int


class Child:
    """A process that answers calls; `module` is run with `arguments`. `max_waiting` calls may be under way.

    It is started on the first call and anew on the first one after it ended. A supervisor counts its ends and parks it
    after too many; without one it is always started again.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str] = (),
        *,
        max_waiting: int = 8,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.name = name
        self.starts = 0
        self._module, self._arguments = module, arguments
        self._max_waiting = max_waiting
        self._supervisor = supervisor
        self._lane = Lane(f"{name} calls")
        self._process: ChildProcess | None = None
        self._calls = itertools.count(1)
        self._signs = 0
        self._waiting: dict[int, _Call] = {}
        self._closed = False

    @property
    def is_up(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.exit_code is None

    @property
    def pid(self) -> int | None:
        """Process id of the newest process."""
        return self._process.pid if self._process is not None else None

    @property
    def waiting(self) -> int:
        """Calls under way."""
        return len(self._waiting)

    async def call(
        self, message: Message, answer: type[A], payload: bytes = b"", *, timeout_s: float | None = None
    ) -> tuple[A, bytes]:
        """Send one call and await its answer, of the class `answer`, with its payload.

        Raises RequestError where the child answers with a failure, too many calls wait or the child is parked, and
        ChildGone where its process ended. One that takes longer than `timeout_s` (`ANSWER_S` unless told), or gives no
        sign of life, is ended. The time is counted in turns of this loop: a machine or a process that stood still for
        a while and goes on is no hang.
        """
        self._check()
        loop = asyncio.get_running_loop()
        number = next(self._calls)
        future: asyncio.Future[Frame] = loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # its caller may be gone
        self._waiting[number] = _Call(future, self.starts if self.is_up else self.starts + 1)
        work = asyncio.ensure_future(self._sent(loop, number, message, payload, future))
        try:
            late = await self._late(work, ANSWER_S if timeout_s is None else timeout_s)
            if late:
                self._kill()
                raise ChildGone(f"{self.name}: {late}; its process was ended")
            frame = work.result()
        finally:
            work.cancel()
            self._waiting.pop(number, None)
        try:
            found = decoder_of(answer | Failed).decode(frame.packed)
        except msgspec.ValidationError as error:
            raise RequestError(500, f"{self.name}: its answer cannot be read: {error}") from error
        if isinstance(found, Failed):
            raise RequestError(found.status, f"{self.name}: {found.error}")
        return found, frame.payload

    async def _sent(
        self,
        loop: asyncio.AbstractEventLoop,
        number: int,
        message: Message,
        payload: bytes,
        future: asyncio.Future[Frame],
    ) -> Frame:
        await self._lane.run(lambda: self._send(loop, number, message, payload))
        return await future

    async def _late(self, work: asyncio.Future[Frame], timeout_s: float) -> str:
        """Wait until `work` is done; why it may take no longer, or ""."""
        waited_s = silent_s = 0.0
        signs = self._signs
        while True:
            slice_s = min(SLICE_S, timeout_s - waited_s)
            await asyncio.wait({work}, timeout=slice_s)
            waited_s += slice_s
            silent_s = 0.0 if self._signs != signs else silent_s + slice_s
            signs = self._signs
            if work.done():
                return ""
            if waited_s >= timeout_s:
                return f"no answer within {timeout_s:.0f} s"
            if silent_s >= SILENT_S:
                return f"no sign of life for {silent_s:.0f} s"

    def _check(self) -> None:
        if self._supervisor is not None and self.name in self._supervisor.parked:
            raise RequestError(503, f"the {self.name} is parked: {self._supervisor.parked[self.name]}")
        if self._closed:
            raise ChildGone(f"{self.name}: the session ends")
        if len(self._waiting) >= self._max_waiting:
            raise RequestError(503, f"{self.name}: {len(self._waiting)} calls wait already; try again later")

    def _send(self, loop: asyncio.AbstractEventLoop, number: int, message: Message, payload: bytes) -> None:
        waiting = self._waiting.get(number)
        if waiting is None or waiting.future.done():
            return
        process = self._process
        if process is None or process.exit_code is not None:
            start = self.starts + 1
            process = self._process = ChildProcess(
                self.name,
                self._module,
                self._arguments,
                on_frame=lambda frame: _on(loop, lambda: self._answered(frame)),
                on_end=lambda code: _on(loop, lambda: self._ended(start, code)),
            )
            self.starts = start
            log.info("child_started", child=self.name, pid=process.pid)
        process.send(number, message, payload)

    def _answered(self, frame: Frame) -> None:
        self._signs += 1
        if frame.call == UNASKED:
            return
        waiting = self._waiting.get(frame.call)
        if waiting is not None and not waiting.future.done():
            waiting.future.set_result(frame)

    def _ended(self, start: int, code: int) -> None:
        gone = ChildGone(f"{self.name}: its process ended with {code}")
        if not self._closed:
            log.warning("child_ended", child=self.name, code=code)
            if self._supervisor is not None:
                self._supervisor.fault(self.name, Failure.of(gone))
        for waiting in self._waiting.values():
            if waiting.start <= start and not waiting.future.done():
                waiting.future.set_exception(gone)

    def _kill(self) -> None:
        """End the process and forget it, so that the next call starts another; its calls fail when it has ended."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; what it was doing is lost."""
        self._closed = True
        self._lane.close()
        if self._process is not None:
            self._process.close()

    def status(self) -> dict[str, Any]:
        """Whether it runs, its memory, its starts, and how many calls wait."""
        rss_mb = self._process.rss_mb if self._process is not None else 0.0
        return {"up": self.is_up, "rss_mb": rss_mb, "starts": self.starts, "waiting": self.waiting}


def _on(loop: asyncio.AbstractEventLoop, fn: Callable[[], None]) -> None:
    """Call on the loop, if it still runs."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(fn)
