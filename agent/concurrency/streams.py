"""Standard output and error of the program: full, closed, a broken pipe, stopped or without UTF-8, play goes on.

What is said (standard error) is written by a thread of its own and dropped where nobody takes it: a terminal that is
held with Ctrl-S never holds play. Results (standard output) are never dropped silently: OutputError.
"""

from __future__ import annotations

import atexit
import codecs
import contextlib
import errno
import os
import queue
import select
import stat
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict

from agent.concurrency.output import printable
from agent.core.errors import AgentError

MAX_WAITING: Final = 2000
DRAIN_S: Final = 2.0
READER_S: Final = 10.0
"""A pipe of results that takes nothing for so long is given up."""
_PIECE: Final = 400
"""Characters of results that a pipe takes at once: fewer bytes than `PIPE_BUF`, also written as escapes."""
PLAIN: Final = "apex-plain"
_SIGNS: Final = str.maketrans({"…": "...", "→": "->", "·": "-", "×": "x", "–": "-", "—": "-", "−": "-", "≥": ">="})
for _drawn, _plain in (("─━╴╶╸╺═", "-"), ("│┃║", "|"), ("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝", "+")):
    _SIGNS.update(dict.fromkeys(map(ord, _drawn), _plain))


class OutputError(AgentError):
    """Standard output takes no results; `is_closed` where its reader has left."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror or error}")
        self.is_closed = isinstance(error, BrokenPipeError)


class QuietStream:
    """A text stream that never raises: what it cannot write is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, or drop it where it is full, closed or a broken pipe; the next may go through."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Nothing: every text is flushed."""


class SaidStream(QuietStream):
    """A QuietStream that never blocks: a thread writes, and text that waits too long for its reader is dropped."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: queue.Queue[str | threading.Event] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def write(self, text: str) -> int:
        """Queue text for the thread that writes."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._write_all, name="standard error", daemon=True)
                    self._thread.start()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(text)
        return len(text)

    def drain(self, limit_s: float = DRAIN_S) -> None:
        """Wait until all is written, at most so long."""
        if self._thread is None or not self._thread.is_alive():
            return
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._waiting.put(written, timeout=limit_s)
            written.wait(limit_s)

    def _write_all(self) -> None:
        while True:
            text = self._waiting.get()
            if isinstance(text, threading.Event):
                text.set()
                continue
            super().write(text)


def _is_pipe(stream: TextIO) -> bool:
    """True where writing may wait for a reader, and one can ask before."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return hasattr(select, "poll") and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def _wait_for_reader(descriptor: int) -> None:
    """Wait until a piece can be written without waiting; raises TimeoutError after `READER_S`."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(1e3 * READER_S):
        raise TimeoutError(errno.ETIMEDOUT, f"nobody has read it for {READER_S:.0f} s")


class ResultStream:
    """A text stream whose failures are an OutputError, also that of a pipe which nobody reads for `READER_S`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waits = _is_pipe(stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; raises OutputError."""
        try:
            if not self._waits:
                return self._stream.write(text)
            for begun in range(0, len(text), _PIECE):
                _wait_for_reader(self._stream.fileno())
                self._stream.write(text[begun : begun + _PIECE])
                self._stream.flush()
            return len(text)
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Write what waits; raises OutputError."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        """Let the interpreter's own flush at the end go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        return OutputError(error)


def prepare() -> None:
    """Make this process's standard streams such streams, once, before anything is said."""
    _hold_descriptors()
    codecs.register_error(PLAIN, _plain_signs)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as the process is
        with contextlib.suppress(AttributeError, OSError):
            stream.reconfigure(errors=PLAIN)
        setattr(sys, name, ResultStream(stream) if name == "stdout" else SaidStream(stream))
    atexit.register(drain)
    structlog.configure(
        processors=[
            *structlog.get_config()["processors"][:-1],
            _clean,
            structlog.dev.ConsoleRenderer(colors=_has_colours()),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _StandardError())),
    )


@contextlib.contextmanager
def printing_to_stderr() -> Iterator[TextIO]:
    """A context in which all that is printed, also by compiled code, goes to standard error; gives standard output."""
    before, is_own = sys.stdout, False
    with contextlib.suppress(OSError):  # what a test puts there has no descriptor
        is_own = before.fileno() == 1
    before.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    own = os.fdopen(os.dup(kept), "w", encoding=before.encoding, errors=before.errors)
    try:
        yield cast(TextIO, ResultStream(own)) if is_own else before
    finally:
        sys.stdout = before
        os.dup2(kept, 1)
        os.close(kept)
        with contextlib.suppress(OSError):  # said by the ResultStream already
            own.close()


class _StandardError:
    """What standard error is at the moment: a live line stands in for it while it is shown."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _has_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _clean(logger: Any, method: str, event: EventDict) -> EventDict:
    """Text from games and environments as `printable` text."""
    return {key: printable(value) if isinstance(value, str) else value for key, value in event.items()}


def drain() -> None:
    """Wait until all that was said is written, for a short time."""
    if isinstance(sys.stderr, SaidStream):
        sys.stderr.drain()


def _hold_descriptors() -> None:
    """Open the null device where 0, 1 or 2 is closed: a file or a socket would get the number, and be printed into."""
    while True:
        handle = os.open(os.devnull, os.O_RDWR)
        if handle > 2:
            os.close(handle)
            return


def _plain_signs(error: UnicodeError) -> tuple[str, int]:
    """Signs that a terminal's encoding lacks as signs that it has; others as escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_SIGNS)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
