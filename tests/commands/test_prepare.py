"""`prepare`: says what it compiles."""

from __future__ import annotations

import pytest

from agent.commands.cli import run
from agent.setup import prepare


def test_what_is_compiled_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(prepare, "compile_all", lambda say: say("its pictures"))
    assert run(["prepare"]) == 0
    assert capsys.readouterr().err.strip() == "compiling its pictures"
