"""The child's end of the pipe: limits on this process, what it is told, and answers to calls in their order.

Standard input and output belong to the pipe; what anything prints goes to standard error, and what anything reads ends
at once. The child ends when its
parent does, however the parent ends: it reads the pipe that the parent holds open.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TextIO, cast

from agent.concurrency.frames import UNASKED, Alive, Failed, Frame, Message, decoder_of, read_frame, write_frame
from agent.concurrency.streams import QuietStream
from agent.concurrency.supervise import Failure, attempt
from agent.core.errors import AgentError, RequestError

Handler = Callable[[Any, bytes], tuple[Message, bytes]]
ALIVE_EVERY_S: Final = 1.0


def limit_process(*, max_memory_bytes: int | None = None, low_priority: bool = False) -> None:
    """Bound this process's address space (not on Windows), and let everything else on this machine go first."""
    if max_memory_bytes is not None and sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    if low_priority:
        import psutil

        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(10)


class ParentPipe:
    """The pipe to the parent; takes standard input and output for itself. Ctrl-C is the parent's to answer."""

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._in = os.fdopen(os.dup(0), "rb")
        self._out = os.fdopen(os.dup(1), "wb")
        self._telling = threading.Lock()
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, for the whole life
        sys.stderr = cast(TextIO, QuietStream(sys.stderr))
        sys.stdout = sys.stderr

    def tell(self, message: Message, payload: bytes = b"", *, call: int = UNASKED) -> None:
        """Send one message, from any thread; raises OSError where the parent is gone."""
        with self._telling:
            write_frame(self._out, call, message, payload)

    def show_life(self) -> None:
        """From now on, on a thread, say each second that this process runs."""
        threading.Thread(target=self._show_life, name="alive", daemon=True).start()

    def _show_life(self) -> None:
        pause = threading.Event()
        while not pause.wait(ALIVE_EVERY_S):
            if isinstance(attempt(lambda: self.tell(Alive())), Failure):
                return

    def listen(self, take: Callable[[Frame], None], end: Callable[[], None]) -> None:
        """From now on, on a thread, `take` each frame as it comes, and `end` once when the parent has left."""
        threading.Thread(target=self._listen, args=(take, end), name="parent", daemon=True).start()

    def _listen(self, take: Callable[[Frame], None], end: Callable[[], None]) -> None:
        while True:
            frame = attempt(lambda: read_frame(self._in))
            if frame is None or isinstance(frame, Failure):
                end()
                return
            take(frame)


def serve_calls(
    kind: Any,
    handler: Handler,
    after: Callable[[], None] = lambda: None,
    arrived: Callable[[Any], None] = lambda message: None,
) -> None:
    """A child's main loop: answer each message of `kind` with one, in order; end the process when the parent is gone.

    What the handler raises becomes `Failed`. `after` is called when an answer has been sent; what it raises is said,
    and the process goes on. `arrived` hears of each message as it comes, on a thread of its own, while the handler may
    be at work on one before; it must not raise.
    """
    pipe, decoder = ParentPipe(), decoder_of(kind)
    calls: queue.SimpleQueue[tuple[int, Any, bytes]] = queue.SimpleQueue()

    def take(frame: Frame) -> None:
        message = attempt(lambda: decoder.decode(frame.packed))
        if not isinstance(message, Failure):
            arrived(message)
        calls.put((frame.call, message, frame.payload))

    pipe.listen(take, lambda: os._exit(0))
    pipe.show_life()
    while True:
        call, message, payload = calls.get()
        outcome = message if isinstance(message, Failure) else attempt(partial(handler, message, payload))
        answer, back = (failed(outcome), b"") if isinstance(outcome, Failure) else outcome
        pipe.tell(answer, back, call=call)
        done = attempt(after)
        if isinstance(done, Failure):
            print(f"after {type(message).__name__}: {done.reason}", file=sys.stderr, flush=True)


def failed(failure: Failure) -> Failed:
    """A failure as an answer."""
    error = failure.error
    if isinstance(error, RequestError):
        return Failed(error=str(error), status=error.status)
    if isinstance(error, MemoryError):
        return Failed(error="the body needs more memory than is allowed", status=413)
    return Failed(error=str(error) if isinstance(error, AgentError) else failure.reason)
