"""Signals that end the program raise one kind of interruption, keep their number, and stay ignored where they were."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import __main__ as program
from agent.commands import cli
from agent.concurrency import signals, streams
from agent.concurrency.signals import (
    ENDING,
    Interrupted,
    dying_at_once,
    exit_code,
    interrupting,
    name_of,
    stopping_within,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Each ends a program at first, also where whoever started these tests has them ignored, as nohup does."""
    found = {number: signal.getsignal(number) for number in ENDING}
    before = {number: signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL for number in ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)
    yield
    assert {number: signal.getsignal(number) for number in ENDING} == before
    for number, was in found.items():
        signal.signal(number, was)


@pytest.mark.parametrize(
    ("number", "code", "name"),
    [("SIGINT", 130, "Ctrl-C"), ("SIGTERM", 143, "SIGTERM"), ("SIGHUP", 129, "SIGHUP")],
)
def test_each_interrupts_what_runs(number: str, code: int, name: str) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, interrupting():
        os.kill(os.getpid(), signal.Signals[number])
        time.sleep(60)
    assert (exit_code(caught.value), name_of(caught.value)) == (code, name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] if sys.platform != "win32" else [])
def test_one_that_a_callback_of_compiled_code_swallows_is_raised_again(number: signal.Signals) -> None:
    """As a compiler's callbacks swallow a Ctrl-C while play starts."""

    def interrupted() -> None:
        os.kill(os.getpid(), number)
        time.sleep(60)

    before, called = sys.unraisablehook, False
    with pytest.raises(KeyboardInterrupt) as caught, interrupting():
        ctypes.CFUNCTYPE(None)(interrupted)()
        called = True
        time.sleep(10)
    assert called and exit_code(caught.value) == 128 + number and sys.unraisablehook is before


def test_what_fails_because_its_callback_was_interrupted_was_interrupted() -> None:
    with pytest.raises(Interrupted) as caught, interrupting():
        ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGTERM))()
        raise RuntimeError("no compiled object yet")
    assert caught.value.number == signal.SIGTERM and isinstance(caught.value.__cause__, RuntimeError)


def test_other_errors_that_cannot_be_raised_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with interrupting():
        ctypes.CFUNCTYPE(None)(lambda: 1 / 0)()
    assert [lost.exc_type for lost in told] == [ZeroDivisionError]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupting():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_does_not_stop_in_time_is_interrupted() -> None:
    told: list[bool] = []
    begun_s = time.monotonic()
    with pytest.raises(Interrupted), stopping_within(lambda: told.append(True), 0.2):
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == [True]
        time.sleep(60)
    assert 0.1 < time.monotonic() - begun_s < 30
    with stopping_within(lambda: told.append(True), 0.01):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05)
    assert told == [True, True], "what stopped in time is left alone"


def test_on_windows_the_signal_that_comes_again_is_not_sent_with_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    """There os.kill ends the process, whatever answers the signal."""
    monkeypatch.setattr(signals, "WINDOWS", True)
    monkeypatch.setattr(signals.os, "kill", lambda pid, number: None)
    with pytest.raises(Interrupted) as caught, stopping_within(lambda: None, 0.1):
        signal.raise_signal(signal.SIGTERM)
        for _ in range(600):
            time.sleep(0.1)
    assert caught.value.number == signal.SIGTERM


class Left(BaseException):
    """The process ended at once."""


def _raise_left(code: int) -> None:
    raise Left(code)


def test_once_a_command_has_run_a_signal_no_longer_says_that_it_was_starting(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signals.os, "_exit", _raise_left)
    before = signal.signal(signal.SIGTERM, signals._leave)
    try:
        with interrupting():
            pass
        with pytest.raises(Left, match="143"):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capfd.readouterr().err == ""


def test_a_second_signal_while_a_finished_command_lingers_keeps_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals.os, "_exit", _raise_left)
    monkeypatch.setattr(streams, "prepare", lambda: None)
    monkeypatch.setattr(cli, "run", lambda argv: 7)
    monkeypatch.setattr(program, "_others_ended", lambda: signal.raise_signal(signal.SIGINT))
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        with pytest.raises((Left, KeyboardInterrupt), match="^7$"):
            program.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_interruption_is_told_by_its_number() -> None:
    assert exit_code(KeyboardInterrupt()) == exit_code(Interrupted(signal.SIGINT)) == 130


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_while_it_is_imported_one_line_is_said(number: signal.Signals, tmp_path: Path) -> None:
    """The program is stopped at its first import of a library, which is when most of a start is ahead."""
    (tmp_path / "structlog.py").write_text("import sys, time\nprint('here', flush=True)\ntime.sleep(600)\n")
    command = ["env", "--default-signal", sys.executable, "-m", "agent", "doctor"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        assert agent.stdout is not None and agent.stdout.readline() == "here\n"
        agent.send_signal(number)
        said = agent.communicate(timeout=60)[1]
    assert agent.returncode == 128 + number and said == "interrupted while it was starting\n"


def test_a_kill_ends_at_once_what_holds_python_up() -> None:
    code = (
        "import sys; from agent.concurrency.signals import dying_at_once, interrupting\n"
        "with interrupting(), dying_at_once():\n"
        "    print('held', flush=True); sum(range(10 ** 12))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout is not None and held.stdout.readline() == "held\n"
        time.sleep(0.2)
        held.terminate()
        assert held.wait(60) == -signal.SIGTERM
    with dying_at_once():
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler, "Ctrl-C stays"
