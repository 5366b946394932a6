"""An X server of the test's own, a window on it, and a second program that plays the person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import GameError
from agent.games.desktop.interface import Stir
from agent.games.desktop_host import STOP_KEYS, DesktopGame, open_desktop
from agent.games.hosting import HostedProcess
from agent.games.options import HostOptions
from tools.bench.menus.desktop import screen

pytestmark = pytest.mark.requires("Xvfb", "openbox")
RED = 0xD02010


@pytest.fixture(scope="module")
def display() -> Iterator[None]:
    with screen("800x600x24"):
        yield


class Window:
    """A red window that a test made, and what it was told."""

    def __init__(self, title: str, size: tuple[int, int], at: tuple[int, int]) -> None:
        import xcffib
        import xcffib.xproto as x

        self.connection = xcffib.connect()
        root = self.connection.get_setup().roots[0]
        self.id = self.connection.generate_id()
        mask = x.EventMask.ButtonPress | x.EventMask.ButtonRelease | x.EventMask.KeyPress | x.EventMask.KeyRelease
        core = self.connection.core
        core.CreateWindow(
            24, self.id, root.root, *at, *size, 0, x.WindowClass.InputOutput, root.root_visual,
            x.CW.BackPixel | x.CW.EventMask, [RED, mask],
        )  # fmt: skip
        core.ChangeProperty(x.PropMode.Replace, self.id, x.Atom.WM_NAME, x.Atom.STRING, 8, len(title), title.encode())
        core.MapWindow(self.id)
        self.connection.flush()

    def events(self) -> list[tuple[str, int, int, int]]:
        found = []
        while (event := self.connection.poll_for_event()) is not None:
            if hasattr(event, "detail") and hasattr(event, "event_x"):
                found.append((type(event).__name__, event.detail, event.event_x, event.event_y))
        return found

    def focus(self) -> None:
        self.connection.core.SetInputFocus(1, self.id, 0)
        self.connection.flush()

    def press_as_a_person(self, code: int) -> None:
        """By another program, as a remote desktop does."""
        import xcffib.xtest

        fake = self.connection(xcffib.xtest.key)
        fake.FakeInput(2, code, 0, 0, 0, 0, 0)
        fake.FakeInput(3, code, 0, 0, 0, 0, 0)
        self.connection.flush()

    def close(self) -> None:
        self.connection.disconnect()


def until(holds: Any, within_s: float = 60.0) -> Any:
    end_s = time.monotonic() + within_s
    while not (found := holds()) and time.monotonic() < end_s:
        time.sleep(0.01)
    return found


def test_a_real_window_is_seen_clicked_and_left_to_a_person(display: None) -> None:
    window, clock = Window("Red game", (320, 180), (90, 70)), SystemClock()
    desktop = open_desktop(clock)
    assert until(lambda: any(w.title == "Red game" for w in desktop.windows()))
    game = DesktopGame("red game", desktop, clock)
    other = None
    try:
        assert until(lambda: (game.tick(_nothing()), game.render().max() > 0)[1])
        assert game.capture_size_px == (320, 180)
        assert np.abs(game.render().astype(int) - [0xD0, 0x20, 0x10]).max() == 0, "without the manager's frame"

        game.tick(_click(40, 179 - 25))
        clicks = until(lambda: (game.tick(_nothing()), [e for e in window.events() if e[0].startswith("Button")])[1])
        assert clicks[0] == ("ButtonPressEvent", 1, 40, 25)
        assert game.counts["person"] == 0, "what this program does itself is no person's"

        until(lambda: (game.tick(_nothing()), not game.state().is_paused)[1])
        game.tick(_walk())
        until(lambda: window.events(), 5.0)
        window.press_as_a_person(48 + 8)
        assert until(lambda: (game.tick(_walk()), game.counts["person"])[1]) == 1
        assert until(lambda: ("KeyReleaseEvent", 17 + 8) in [e[:2] for e in window.events()])
        game.tick(_walk())
        assert not [e for e in window.events() if e[:2] == ("KeyPressEvent", 17 + 8)]

        other = Window("Letters", (200, 200), (500, 300))
        until(lambda: any(w.title == "Letters" for w in desktop.windows()))
        other.focus()
        assert until(lambda: (game.tick(_nothing()), game.counts["focus_lost"])[1]) == 1
        assert game.render().max() == 0
        assert desktop.keys_of("aB")[0] == (30, True) and len(desktop.keys_of("aB")) == 6
        assert Stir("motion") not in desktop.stirs()
    finally:
        game.close()
        window.close()
        if other is not None:
            other.close()


def _nothing() -> Any:
    from agent.core.types import NEUTRAL

    time.sleep(0.005)
    return NEUTRAL


def _click(x: int, y: int) -> Any:
    from agent.core.types import Action

    return Action(click=(x, y))


def _walk() -> Any:
    from agent.core.types import Action

    return Action(move=(0.0, 1.0))


def test_a_game_that_is_ended_by_its_stop_key_is_not_started_again(display: None) -> None:
    window = Window("Stopped game", (320, 180), (90, 70))
    try:
        with HostedProcess(HostOptions("desktop:Stopped game", stop_key="F9")) as host:
            host.port()
            assert "F9 ends it" in host.notes[0]
            window.press_as_a_person(STOP_KEYS["F9"] + 8)
            assert until(lambda: not host.is_up)
            assert host.why() == "desktop:Stopped game: was ended by its stop key"
            with pytest.raises(GameError, match="told to end"):
                host.again()
    finally:
        window.close()
