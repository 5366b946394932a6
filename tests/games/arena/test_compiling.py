"""What is compiled for the arena is said in its order, and done once a process."""

from __future__ import annotations

import pytest

from agent.games.arena import compiling
from agent.games.arena.compiling import compile_arena


def test_it_is_said_and_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_is_done", False)
    said: list[str] = []
    compile_arena(said.append)
    compile_arena(said.append)
    assert said == ["the arena's rules (1 of 2)", "the arena's pictures (2 of 2)"]
