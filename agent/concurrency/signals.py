"""Signals that end the program: Ctrl-C, a polite kill, and a terminal that is closed do the same.

While the program is imported there is nothing to save: one line, and it ends at once. While a command runs, each raises
Interrupted where the main thread is. A signal that whoever started the program has told to be ignored (`nohup`, a
background job) stays ignored.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
PACKAGE: Final = "agent"
WINDOWS: Final = os.name == "nt"
AGAIN_S: Final = 0.05
"""An interruption that compiled code swallowed is raised again after so long, when that code may have returned."""


class Interrupted(KeyboardInterrupt):
    """The program was told to end by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code(error: KeyboardInterrupt) -> int:
    """The code that a shell gives to a process ended by this signal."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def name_of(error: KeyboardInterrupt) -> str:
    """What ended the program, in words."""
    number = error.number if isinstance(error, Interrupted) else signal.SIGINT
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def is_command() -> bool:
    """True while this package is imported as a program: `python -m agent`, or the installed command."""
    return _module() == PACKAGE or os.path.basename(sys.argv[0] if sys.argv else "").startswith("metabonk-apex")


def is_program() -> bool:
    """True while this package is imported by a program of its own: a command, or a process that a command started."""
    child = sys.argv[0] if sys.argv else ""  # what runs a child has put its module here
    return is_command() or any(name.startswith(f"{PACKAGE}.") for name in (_module(), child))


def _module() -> str:
    """MODULE where this process was started as `python -m MODULE` and is importing it, else ""."""
    after = sys.orig_argv[1:]
    return after[after.index("-m") + 1] if sys.argv[:1] == ["-m"] and "-m" in after[:-1] else ""


def end_at_once() -> None:
    """From now on a signal ends the process with one line: nothing was begun."""
    for number in answered():
        signal.signal(number, _leave)


def leave_with(code: int) -> None:
    """From now on a signal ends the process at once with this code: its work is done."""
    for number in answered():
        signal.signal(number, lambda number, frame: os._exit(code))


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """A context in which each signal raises a KeyboardInterrupt; does nothing on another thread than the main one.

    Afterwards signals do what they did before, but `end_at_once` no longer says that the program was starting. An
    interruption that is raised where it cannot go on, such as in a callback of a compiler, is raised again.
    """
    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):
        for number in answered():
            handler = signal.default_int_handler if number == signal.SIGINT else _raise
            before[number] = signal.signal(number, handler)
    try:
        with _raised_again():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, _leave_silently if handler is _leave else handler)


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """A context in which an interruption that Python says it ignored is sent to this process again.

    Where the code that swallowed it fails by that, the interruption is what is raised.
    """
    before, timers, lost_numbers = sys.unraisablehook, list[threading.Timer](), list[int]()

    def hear(lost: Any) -> None:
        if lost.exc_type is None or not issubclass(lost.exc_type, KeyboardInterrupt):
            before(lost)
            return
        number = getattr(lost.exc_value, "number", signal.SIGINT)
        lost_numbers.append(number)
        timers.append(threading.Timer(AGAIN_S, _send_again, (number,)))
        timers[-1].daemon = True
        timers[-1].start()

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()
        failed = sys.exception()
        if lost_numbers and isinstance(failed, Exception):
            raise Interrupted(lost_numbers[0]) from failed


@contextlib.contextmanager
def dying_at_once() -> Iterator[None]:
    """A context in which a polite kill ends the process at once, for work that holds Python up for seconds.

    What compiles answers no handler of Python's meanwhile. Does nothing on another thread than the main one, and leaves
    Ctrl-C as it is.
    """
    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):
        for number in answered():
            if number != signal.SIGINT:
                before[number] = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stopping_within(stop: Callable[[], None], seconds: float) -> Iterator[None]:
    """A context in which the first signal calls `stop`; another one, or the same after `seconds`, raises Interrupted.

    Does nothing on another thread than the main one.
    """
    timers: list[threading.Timer] = []

    def answer(number: int, frame: FrameType | None) -> None:
        if timers:
            raise Interrupted(number)
        timers.append(threading.Timer(seconds, _send_again, (number,)))
        timers[0].daemon = True
        timers[0].start()
        stop()

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):
        for number in answered():
            before[number] = signal.signal(number, answer)
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def answered() -> list[int]:
    """The signals that end the program, without those that are ignored."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def _send_again(number: int) -> None:
    """Have the main thread answer the signal anew."""
    if WINDOWS:  # os.kill ends the process there, whatever answers the signal
        _thread.interrupt_main(signal.Signals(number))
    else:
        os.kill(os.getpid(), number)


def _leave(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"interrupted while it was starting\n")
    os._exit(128 + number)


def _leave_silently(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
