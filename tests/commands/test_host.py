"""`host`: the options go to the server as they are, and what cannot be hosted is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.games import hosting
from agent.games.options import HostOptions


def test_the_options_reach_the_server_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(hosting, "run_host", lambda options: asked.append(options) or 0)
    assert run(["host", "mine:Maze", "--port", "0", "--start", "run", "--profile", "p.toml"]) == 0
    assert asked == [HostOptions("mine:Maze", port=0, start="run", profile=Path("p.toml"))]


@pytest.mark.parametrize(("game", "named"), [("arna", "did you mean arena?"), ("my_gmae:Maze", "no module my_gmae")])
def test_what_is_no_game_is_refused(game: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["host", game]) == 2
    assert named in capsys.readouterr().err
