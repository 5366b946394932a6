"""A desktop without a screen: it notes what is pressed, and a test says what is on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent.core.types import NEUTRAL, Action, ByteArray
from agent.games.desktop.interface import Rect, Stir, WindowInfo
from agent.games.desktop_host import DesktopGame

GAME, OTHER = 7, 8


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.t_s = 100.0

    def now_s(self) -> float:
        return self.t_s

    async def sleep_until(self, deadline_s: float) -> None:
        self.t_s = max(self.t_s, deadline_s)


class Screen:
    """One game's window. puts_back: the game takes moves alone, as those with a pointer of their own do."""

    def __init__(self, clock: Clock, rect: Rect | None = None, *, puts_back: bool = False) -> None:
        self.clock, self.puts_back = clock, puts_back
        self.rect: Rect | None = rect or Rect(300, 200, 640, 360)
        self.focus, self.top = GAME, GAME
        self.log: list[tuple[float, str, tuple[int, ...]]] = []
        self.waiting: list[Stir] = []
        self.at = self.own = (0, 0)
        self.lose_moves = 0

    def note(self, what: str, *values: int) -> None:
        self.log.append((round(self.clock.t_s, 3), what, values))

    def told(self, what: str) -> list[tuple[int, ...]]:
        return [values for _, name, values in self.log if name == what]

    def windows(self) -> Sequence[WindowInfo]:
        return [] if self.rect is None else [WindowInfo(GAME, "A Game", 0), WindowInfo(OTHER, "Letters", 0)]

    def place(self, window: int) -> Rect | None:
        return self.rect if window == GAME else None

    def picture(self, place: Rect) -> ByteArray:
        picture = np.full((place.height, place.width, 3), 90, np.uint8)
        if self.rect is not None:
            x, y = self.rect.x + self.own[0] - place.x, self.rect.y + self.own[1] - place.y
            picture[max(0, y) : max(0, y + 8), max(0, x) : max(0, x + 8)] = 255
        return picture

    def has_focus(self, window: int) -> bool:
        return self.focus == window

    def is_at(self, window: int, x_px: int, y_px: int) -> bool:
        return self.top == window

    def bring_to_front(self, window: int) -> None:
        self.note("front", window)

    def move_to(self, x_px: int, y_px: int) -> None:
        assert self.rect is not None
        middle = self.rect.x + self.rect.width // 2, self.rect.y + self.rect.height // 2
        self.at = middle if self.puts_back else (x_px, y_px)
        self.note("move", x_px, y_px)

    def move_by(self, dx_px: int, dy_px: int) -> None:
        assert self.rect is not None
        self.note("by", dx_px, dy_px)
        if self.lose_moves and dx_px > 0:
            self.lose_moves -= 1
            return
        w, h = self.rect.size_px
        self.own = min(w - 1, max(0, self.own[0] + dx_px)), min(h - 1, max(0, self.own[1] + dy_px))

    def pointer(self) -> tuple[int, int]:
        return self.at

    def is_grabbed(self) -> bool:
        return self.puts_back

    def button(self, number: int, *, down: bool) -> None:
        self.note("down" if down else "up", number, *(self.own if self.puts_back else self.at))

    def key(self, code: int, *, down: bool) -> None:
        self.note("press" if down else "let go", code)

    def keys_of(self, text: str) -> list[tuple[int, bool]]:
        return [(30, True), (30, False)] * len(text)

    def stirs(self) -> list[Stir]:
        found, self.waiting = self.waiting, []
        return found

    def close(self) -> None:
        self.note("close")


def hosted(screen: Screen) -> DesktopGame:
    """The window of a screen as a game, after its first tick and picture."""
    game = DesktopGame("A Game", screen, screen.clock)
    play(game, screen, 0.02)
    game.render()
    screen.log.clear()
    return game


def play(game: DesktopGame, screen: Screen, seconds: float, action: Action = NEUTRAL, then: Action = NEUTRAL) -> None:
    """Ticks for so long: the action in the first one, another in the rest."""
    for i in range(max(1, round(seconds * 60))):
        game.tick(action if i == 0 else then)
        screen.clock.t_s += 1 / 60
