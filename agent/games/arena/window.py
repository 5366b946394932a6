"""A window in which a person plays the arena: keyboard and mouse in, pictures out.

Owns the window. What the person does goes to the game as an action and to clients as HINP. Keys: WASD or arrows walk
and move the focus, mouse or Q and R turn, space jumps and submits, shift slides and cancels, E uses, Escape pauses,
the left button clicks in menus, F9 saves the last 30 s where the game is recorded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import structlog

from agent.core.errors import GameError
from agent.core.types import Action, ByteArray, HumanInput
from agent.games.arena.game import ArenaGame

HUMAN_INPUT_VERSION: Final = 1
_MOUSE_SPEED: Final = 0.02
log = structlog.get_logger(__name__)


class PictureWindow:
    """A window that shows pictures. asked_by: the option that wants it, for errors.

    is_seen is False where there is no display, and the window is drawn for nobody.
    """

    def __init__(self, size_px: tuple[int, int], asked_by: str, scale: int = 3) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame
        except ImportError as error:
            raise GameError(f"{asked_by}: needs pygame; pip install 'metabonk-apex[window]'") from error
        self._pg = pygame
        width, height = size_px
        pygame.display.init()
        driver = pygame.display.get_driver()
        self.is_seen = driver not in ("offscreen", "dummy") or os.environ.get("SDL_VIDEODRIVER") == driver
        if not self.is_seen:
            _draw_for_nobody(pygame)
        try:
            self._surface = pygame.display.set_mode((width * scale, height * scale), pygame.RESIZABLE)
        except pygame.error as error:
            raise GameError(f"{asked_by}: no window can be opened here ({error})") from error
        pygame.display.set_caption("MetaBonk arena")
        self._pace = pygame.time.Clock()
        self.closed = False

    def close(self) -> None:
        """Close the window."""
        self._pg.display.quit()

    def show(self, pixels: ByteArray) -> None:
        """Draw one picture, u8 [h, w, 3], as large as the window."""
        pg = self._pg
        picture = pg.image.frombuffer(pixels.tobytes(), (pixels.shape[1], pixels.shape[0]), "RGB")
        pg.transform.scale(picture.convert(self._surface), self._surface.get_size(), self._surface)
        pg.display.flip()

    def wait(self, rate_hz: float) -> None:
        """Wait until the time of the next of `rate_hz` pictures a second, and let the window live."""
        self._pg.event.pump()
        self._pace.tick(rate_hz)


def _draw_for_nobody(pygame: Any) -> None:
    """Let SDL draw in memory: offscreen it draws by EGL, and Mesa's LLVM ends a process that imports Triton later."""
    pygame.display.quit()
    before, os.environ["SDL_VIDEODRIVER"] = os.environ.get("SDL_VIDEODRIVER"), "dummy"
    try:
        pygame.display.init()
    finally:
        if before is None:
            del os.environ["SDL_VIDEODRIVER"]
        else:
            os.environ["SDL_VIDEODRIVER"] = before


class Window(PictureWindow):
    """The window of a hosted game; `human` and `show` are what `games.server.GameServer` asks for."""

    def __init__(
        self, game: ArenaGame, scale: int = 3, *, save_clip: Callable[[], object] | None = None
    ) -> None:  # fmt: skip
        super().__init__(game.capture_size_px, "--window", scale)
        if not self.is_seen:
            self.close()
            raise GameError("--window: there is no display; set DISPLAY, or host without --window")
        self._game = game
        self._save_clip = save_clip
        self._clicked: tuple[int, int] | None = None
        self._turn = 0.0
        self._tilt = 0.0

    def human(self) -> tuple[Action, HumanInput]:
        """What the person does in this tick."""
        pg = self._pg
        playing = self._game.screen is None
        pg.event.set_grab(playing)
        pg.mouse.set_visible(not playing)
        for event in pg.event.get():
            self._on_event(event, playing)
        keys = pg.key.get_pressed()
        turn, self._turn = self._turn, 0.0
        tilt, self._tilt = self._tilt, 0.0
        right, up = keys[pg.K_d] or keys[pg.K_RIGHT], keys[pg.K_w] or keys[pg.K_UP]
        left, down = keys[pg.K_a] or keys[pg.K_LEFT], keys[pg.K_s] or keys[pg.K_DOWN]
        look_x = max(-1.0, min(1.0, turn + keys[pg.K_r] - keys[pg.K_q]))
        click, self._clicked = self._clicked, None
        action = Action(
            move=(float(right) - float(left), float(up) - float(down)),
            look=(look_x, max(-1.0, min(1.0, tilt))),
            fire=bool(keys[pg.K_SPACE] or keys[pg.K_RETURN]),
            ability=bool(keys[pg.K_LSHIFT] or keys[pg.K_BACKSPACE]),
            interact=bool(keys[pg.K_e]),
            click=None if click is None else self._to_capture(click),
        )
        return action, self._as_trailer(action, click)

    def _on_event(self, event: Any, playing: bool) -> None:
        pg = self._pg
        if event.type == pg.QUIT:
            self.closed = True
        elif event.type == pg.KEYDOWN and event.key == pg.K_ESCAPE:
            self._game.pause()
        elif event.type == pg.KEYDOWN and event.key == pg.K_F9:
            if self._save_clip is None:
                log.warning("clip_not_saved", why="nothing is recorded: host with --record")
            else:
                self._save_clip()
        elif event.type == pg.MOUSEMOTION and playing:
            self._turn += event.rel[0] * _MOUSE_SPEED
            self._tilt -= event.rel[1] * _MOUSE_SPEED
        elif event.type == pg.MOUSEBUTTONDOWN and event.button == 1 and not playing:
            self._clicked = event.pos

    def _to_capture(self, at: tuple[int, int]) -> tuple[int, int]:
        """From the window's pixels (origin top-left) to the capture's (origin bottom-left)."""
        (wide, high), (width, height) = self._surface.get_size(), self._game.capture_size_px
        return at[0] * width // wide, height - 1 - at[1] * height // high

    def _as_trailer(self, action: Action, click: tuple[int, int] | None) -> HumanInput:
        wide, high = self._surface.get_size()
        at = (0.0, 0.0) if click is None else (click[0] / wide, click[1] / high)
        return HumanInput(
            HUMAN_INPUT_VERSION, action.move, action.look, action.fire, action.ability, action.interact,
            click is not None, at,
        )  # fmt: skip
