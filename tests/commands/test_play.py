"""`play`: what its exit code says."""

from __future__ import annotations

import signal
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from agent import app
from agent.commands.cli import run


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] if sys.platform != "win32" else [])
def test_one_that_is_ended_before_anything_is_played_ends_with_the_signals_number(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = app.Stopping()

    async def play() -> dict[str, Any]:
        stopping.stop_by_signal(number)
        return {"first_action_s": None, "ended_by": stopping.by}

    session = SimpleNamespace(run=play, stopping=stopping)
    monkeypatch.setattr(app, "build_session", lambda *given, **named: session)
    assert run(["play", "--game", "bonklink://127.0.0.1:1", "--policy", "random", "--no-http"]) == 128 + number
    assert "Interrupted before anything was played" in capsys.readouterr().err
