"""The bootstrap: wrong arguments end before anything is installed, and what takes long says what it does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import app
from tools import bootstrap
from tools.scripts.command_reference import options


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was installed, instead of installing it."""
    done: list[str] = []
    monkeypatch.setattr(bootstrap, "install", done.append)
    return done


def test_the_options_of_play_are_those_of_the_program() -> None:
    known: dict[str, object] = {}
    for option in options(app["play"]):
        for name in option.names:
            hint = str(option.hint)
            kind = float if "float" in hint else int if "int" in hint else None if "bool" in hint else str
            known[name] = kind
    assert known == bootstrap.PLAY_OPTIONS, "write the options of PlayOptions into tools/bootstrap.py"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("plai",), "there is no command plai; did you mean play?"),
        (("play", "--secnds", "3"), "play has no option --secnds; did you mean --seconds?"),
        (("play", "--seconds"), "--seconds: a value is missing"),
        (("play", "--seconds", "--no-http"), "--seconds: a value is missing"),
        (("play", "--seconds", "soon"), "--seconds soon: a number is needed"),
        (("play", "--games=2.5"), "--games 2.5: a whole number is needed"),
        (("play", "arena"), "arena: nothing takes it"),
        (("install", "now"), "install takes no arguments"),
    ],
)
def test_wrong_arguments_end_before_anything_is_installed(
    words: tuple[str, ...], named: str, installed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        bootstrap.main(list(words))
    assert end.value.code == 2 and not installed
    assert named in capsys.readouterr().err


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize(
    ("words", "extra", "command"),
    [
        (("install",), "", None),
        (("play", "--seed", "-1", "--policy=mine:Walker", "--no-http"), "", ["-m", "agent", "play"]),
        (("test", "-k", "anything"), "test", ["check.py"]),
    ],
)
def test_right_arguments_are_passed_on(
    words: tuple[str, ...], extra: str, command: list[str] | None, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def ended(words: list[str], folder: Path | None) -> int:
        started.append(words)
        return 7

    monkeypatch.setattr(bootstrap, "ended", ended)
    assert bootstrap.main(list(words)) == (0 if command is None else 7)
    assert installed == [extra]
    if command is None:
        assert not started
    else:
        assert all(word in " ".join(started[0]) for word in command)
        assert started[0][-len(words) + 1 :] == list(words[1:])


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.usefixtures("_handlers")
def test_a_command_that_was_interrupted_is_given_the_time_that_it_needs() -> None:
    """Ctrl-C reaches both; the agent then saves what it learned and writes its report."""
    ends_slowly = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (time.sleep(1.0), sys.exit(5)))\n"
        "os.kill(os.getppid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"
    )
    assert bootstrap.ended([sys.executable, "-c", ends_slowly], None) == 5


@pytest.fixture
def _handlers() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else ()
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}  # SIGHUP is ignored under nohup
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.usefixtures("_handlers")
def test_a_polite_kill_reaches_the_command_and_ends_what_is_being_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    ends_well = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    assert bootstrap.ended([sys.executable, "-c", ends_well], None) == 5
    monkeypatch.setattr(bootstrap, "install", lambda extra: os.kill(os.getpid(), signal.SIGHUP))
    assert bootstrap.main(["install"]) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.usefixtures("_handlers")
def test_a_polite_kill_while_the_command_is_started_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def popen(*given: Any, **named: Any) -> Any:
        child = start(*given, **named)
        os.kill(os.getpid(), signal.SIGTERM)
        return child

    monkeypatch.setattr(bootstrap.subprocess, "Popen", popen)
    bootstrap.on_end(bootstrap.interrupt)
    assert bootstrap.ended([sys.executable, "-c", "import time; time.sleep(60)"], None) == 128 + signal.SIGTERM


def test_what_takes_long_says_what_it_does_and_why_it_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "SAY_EVERY_S", 0.0)
    slow = "import time; print('Downloading torch'); time.sleep(1.2); print('no space left'); raise SystemExit(3)"
    assert not bootstrap.watched("installing", [sys.executable, "-c", slow])
    said = capsys.readouterr()
    assert re.search(r"bootstrap: installing, \d+ s: Downloading torch", said.out)
    assert "installing: failed in" in said.out and said.err.split("\n")[-3:-1] == ["Downloading torch", "no space left"]
    assert bootstrap.watched("installing", [sys.executable, "-c", ""])
    assert "installing: done in" in capsys.readouterr().out


def test_it_works_from_any_folder_before_anything_is_installed(tmp_path: Path) -> None:
    script = Path(bootstrap.__file__)
    done = subprocess.run(
        [sys.executable, "-I", str(script), "plai"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "python tools/bootstrap.py play [ARGUMENTS]" in done.stderr
    assert "Traceback" not in done.stderr
