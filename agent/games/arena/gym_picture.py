"""Pictures of the arena's Gymnasium environments: arrays, or a window in real time.

Draws what `pictures` draws for the hosted game, the open menu included; changes no world.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gymnasium import logger

from agent.core.errors import GameError
from agent.core.types import ByteArray
from agent.games.arena import screens
from agent.games.arena import state as layout
from agent.games.arena.gym_rows import TICKS_PER_STEP
from agent.games.arena.screens import Screen
from agent.games.arena.step import TICK_S
from agent.games.arena.window import PictureWindow
from agent.games.arena.world import Worlds

SIZE_PX: Final = (320, 180)
METADATA: Final[dict[str, Any]] = {
    "render_modes": ["rgb_array", "human"], "render_fps": round(1.0 / (TICKS_PER_STEP * TICK_S))
}  # fmt: skip


class _Drawn(NamedTuple):
    """What the renderer reads of a game."""

    worlds: Worlds
    world: Any
    screen: Screen | None


class Pictures:
    """Draws worlds at one size; in the mode `human` into a window of its own, `render_fps` pictures a second."""

    def __init__(self, render_mode: str | None, size_px: tuple[int, int]) -> None:
        modes = METADATA["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise GameError(f"render_mode {render_mode!r}: one of {', '.join(modes)} is needed")
        self._size_px = size_px
        self._renderer: Any = None
        self._window = PictureWindow(size_px, "render_mode human") if render_mode == "human" else None
        if self._window is not None and not self._window.is_seen:
            logger.warn("metabonk/Arena-v0: there is no display; set DISPLAY to see render_mode human")

    def draw(self, worlds: Worlds, row: int) -> ByteArray:
        """The picture of one world, u8 [h, w, 3]; a fresh array."""
        if self._renderer is None:
            from agent.games.arena.pictures.render import Renderer

            self._renderer = Renderer(self._size_px)
        picture: ByteArray = self._renderer.draw(_Drawn(worlds, worlds.records[row], _screen(worlds, row)))
        return picture

    def show(self, worlds: Worlds, row: int) -> None:
        """Show one world in the window, and wait until its time has come; nothing without a window."""
        if self._window is not None:
            self._window.show(self.draw(worlds, row))
            self._window.wait(float(METADATA["render_fps"]))

    def close(self) -> None:
        """Close the window, where there is one."""
        if self._window is not None:
            self._window.close()


def _screen(worlds: Worlds, row: int) -> Screen | None:
    """The menu that is open in a world; None in play."""
    world, offers = worlds.records[row], worlds.offers(row)
    phase = int(world["phase"])
    if phase == layout.LEVEL_UP:
        left = (int(world[name]) for name in ("refreshes", "skips", "banishes"))
        return screens.level_up(offers, *left, banishing=False)
    if phase == layout.CHEST:
        return screens.chest(offers[0])
    if phase == layout.ENCOUNTER:
        return screens.encounter(offers)
    if phase == layout.DEAD:
        return screens.death()
    return screens.results(screens.run_texts(world), won=True) if phase == layout.WON else None
