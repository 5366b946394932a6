"""Which window a name stands for, and programs that are started for theirs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import psutil
import pytest

from agent.core.errors import GameError, SettingsError
from agent.games.desktop.finding import Program, find, window_of
from agent.games.desktop.interface import Rect, WindowInfo
from tests.games.desktop.fake import Clock, Screen


class Several(Screen):
    def __init__(self, *titles: str) -> None:
        super().__init__(Clock())
        self.titles = titles

    def windows(self) -> Sequence[WindowInfo]:
        return [WindowInfo(i, title, 100 + i) for i, title in enumerate(self.titles)]

    def place(self, window: int) -> Rect | None:
        return Rect(0, 0, 100 * (window + 1), 100)


@pytest.mark.parametrize("wanted, title", [("my game", "My Game"), ("game 2", "Another game 2")])
def test_an_exact_title_goes_before_one_that_has_it_in_it(wanted: str, title: str) -> None:
    screen = Several("Wiki of My Game - Browser", "My Game", "Another game 2")

    found, program = find(screen, wanted, screen.clock)

    assert found.title == title and program is None


def test_several_windows_that_have_it_in_them_are_named() -> None:
    screen = Several("Game one", "Game two")

    with pytest.raises(SettingsError, match="Game one, Game two"):
        find(screen, "game", screen.clock)


def test_the_largest_window_of_a_program_is_taken_and_no_other_program_s() -> None:
    screen = Several("splash", "large", "another's")

    found = window_of(screen, {100, 101}, set())

    assert found is not None and found.title == "large"
    assert window_of(screen, {9}, set()) is None


def test_a_program_that_ends_without_a_window_says_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Several()
    monkeypatch.setenv("METABONK_HTTP_TOKEN", "secret")
    code = "import os; print([k for k in os.environ if 'METABONK_' in k], 'no display'); raise SystemExit(3)"

    with pytest.raises(GameError, match=r"code 3, having said: \[\] no display"):
        find(screen, f'{shlex.quote(sys.executable)} -c "{code}"', screen.clock)


def test_a_program_is_ended_with_all_that_it_started() -> None:
    inner = "import time; time.sleep(300)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{inner}'])"
    program = Program([sys.executable, "-c", code])
    while len(pids := program.pids()) < 2:
        assert program.is_up

    program.close()

    left = [p for p in pids if psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE]
    assert not program.is_up and not left
