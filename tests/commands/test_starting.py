"""A start that takes long says what it does; one that is quick says nothing."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from agent.commands import starting as module
from agent.commands.starting import Starting
from agent.core.clock import SystemClock


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(module, "SLOW_S", 0.05)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    return Console(file=io.StringIO())


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def until(console: Console, words: str) -> None:
    for _ in range(6000):
        if words in text(console):
            return
        time.sleep(0.01)
    pytest.fail(text(console))


def test_a_quick_start_says_nothing(said: Console) -> None:
    with Starting(said, SystemClock()) as starting:
        starting.close()
        time.sleep(0.2)
    assert text(said) == ""


def test_a_slow_one_says_what_it_does_and_what_goes_on_beside_it(said: Console) -> None:
    doing = ["the arena's rules (1 of 2)"]
    with Starting(said, SystemClock(), also=lambda: doing[0]) as starting:
        until(said, "starting, 0 s: loading the program; the arena's rules (1 of 2)\n")
        starting.say("preparing the pilot")
        doing[0] = ""
        until(said, "s: preparing the pilot\n")
        starting.close()
        until(said, "started in 0 s\n")
        lines = len(text(said).splitlines())
        time.sleep(0.1)
    assert len(text(said).splitlines()) == lines, "play has begun: it is quiet"


def test_where_something_is_compiled_it_is_said_at_once(said: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_S", 60.0)
    with Starting(said, SystemClock(), compiles=True):
        until(said, "Compiling what has changed")


def test_a_start_that_fails_is_quiet_before_its_error_is_printed(said: Console) -> None:
    with pytest.raises(ValueError, match="no"), Starting(said, SystemClock()):
        until(said, "starting, ")
        raise ValueError("no")
    before = text(said)
    time.sleep(0.2)
    assert text(said) == before and "started" not in before


def test_one_that_is_left_before_it_is_over_did_not_start(said: Console) -> None:
    with Starting(said, SystemClock()):
        until(said, "starting, ")
    assert "started" not in text(said)
