"""Small pictures of everything that moves or stands, drawn once in code: an atlas of RGBA tiles.

Owns no placement; `render_scene` scales and places them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np

from agent.core.types import ByteArray
from agent.games.arena.catalog import load_catalog

SIDE: Final = 32
Colour = tuple[int, int, int]
_BLACK: Final = (20, 18, 24)
_WHITE: Final = (245, 245, 240)


def _tile() -> ByteArray:
    return np.zeros((SIDE, SIDE, 4), np.uint8)


def _oval(t: Any, x: float, y: float, rx: float, ry: float, colour: Colour, *, outline: bool = True) -> None:
    centre, axes = (round(x * 8), round(y * 8)), (round(rx * 8), round(ry * 8))
    if outline:
        cv2.ellipse(t, centre, (axes[0] + 8, axes[1] + 8), 0, 0, 360, (*_BLACK, 255), -1, cv2.LINE_8, 3)
    cv2.ellipse(t, centre, axes, 0, 0, 360, (*colour, 255), -1, cv2.LINE_8, 3)


def _box(t: Any, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
    cv2.rectangle(t, (x0 - 1, y0 - 1), (x1 + 1, y1 + 1), (*_BLACK, 255), -1)
    cv2.rectangle(t, (x0, y0), (x1, y1), (*colour, 255), -1)


def _eyes(t: Any, x: int, y: int, apart: int, colour: Colour = _WHITE) -> None:
    for side in (-apart, apart):
        cv2.circle(t, (x + side, y), 2, (*colour, 255), -1)
        t[y, x + side] = (*_BLACK, 255)


def _humanoid(t: Any, skin: Colour, cloth: Colour, eyes: Colour = _WHITE) -> None:
    _box(t, 11, 24, 14, 31, cloth)
    _box(t, 18, 24, 21, 31, cloth)
    _box(t, 6, 15, 9, 23, skin)
    _box(t, 23, 15, 26, 23, skin)
    _box(t, 10, 13, 22, 24, cloth)
    _oval(t, 16, 8, 6.5, 6.5, skin)
    _eyes(t, 16, 8, 3, eyes)


def _blob(t: Any, colour: Colour) -> None:
    _oval(t, 16, 22, 12, 8.5, colour)
    _oval(t, 13, 18, 3, 2, tuple(min(255, c + 60) for c in colour), outline=False)  # type: ignore[arg-type]
    _eyes(t, 16, 21, 4)


def _ghost(t: Any, colour: Colour) -> None:
    _oval(t, 16, 13, 9, 10, colour)
    _box(t, 8, 14, 24, 26, colour)
    for x in (9, 15, 21):
        cv2.circle(t, (x + 1, 27), 3, (0, 0, 0, 0), -1)
    _eyes(t, 16, 13, 4, (255, 90, 90))


def _spider(t: Any, colour: Colour) -> None:
    for x, y in ((3, 14), (2, 22), (5, 29), (29, 14), (30, 22), (27, 29)):
        cv2.line(t, (16, 20), (x, y), (*_BLACK, 255), 2)
    _oval(t, 16, 20, 9, 8, colour)
    _eyes(t, 16, 20, 4, (255, 220, 80))


def _bee(t: Any, colour: Colour) -> None:
    _oval(t, 10, 9, 6, 4, (220, 235, 250))
    _oval(t, 22, 9, 6, 4, (220, 235, 250))
    _oval(t, 16, 17, 9, 7, colour)
    for x in (13, 18):
        cv2.line(t, (x, 12), (x, 23), (*_BLACK, 255), 2)
    _eyes(t, 22, 15, 1)


def _golem(t: Any, colour: Colour) -> None:
    _box(t, 7, 8, 25, 26, colour)
    _box(t, 2, 12, 6, 25, colour)
    _box(t, 26, 12, 30, 25, colour)
    _box(t, 8, 27, 13, 31, colour)
    _box(t, 19, 27, 24, 31, colour)
    _eyes(t, 16, 14, 5, (255, 190, 60))


def _treant(t: Any, colour: Colour) -> None:
    _oval(t, 16, 9, 13, 8, (58, 120, 52))
    _box(t, 10, 13, 22, 31, colour)
    _eyes(t, 16, 18, 4, (255, 70, 60))
    cv2.line(t, (12, 25), (20, 25), (*_BLACK, 255), 2)


def _pig(t: Any, colour: Colour) -> None:
    _oval(t, 16, 18, 13, 11, colour)
    _oval(t, 16, 21, 5, 3.5, (250, 170, 180))
    _eyes(t, 16, 13, 5)
    _box(t, 6, 5, 10, 9, colour)
    _box(t, 22, 5, 26, 9, colour)


_FOES: Final[dict[str, tuple[Callable[..., None], tuple[Any, ...]]]] = {
    "Skeleton": (_humanoid, ((232, 228, 210), (190, 186, 170), (60, 40, 40))),
    "Armored Skeleton": (_humanoid, ((232, 228, 210), (110, 120, 140), (60, 40, 40))),
    "Ghoul": (_humanoid, ((140, 170, 150), (70, 60, 80), (255, 230, 90))),
    "Slime": (_blob, ((90, 200, 110),)),
    "Goblin": (_humanoid, ((110, 170, 70), (120, 80, 50))),
    "Strong Goblin": (_humanoid, ((80, 140, 50), (160, 50, 40))),
    "Goblin Tank": (_humanoid, ((70, 120, 50), (90, 95, 110), (255, 90, 60))),
    "Boomer Spider": (_spider, ((170, 60, 50),)),
    "Golem": (_golem, ((140, 130, 120),)),
    "Bee": (_bee, ((250, 200, 50),)),
    "Zombie": (_humanoid, ((120, 160, 110), (70, 90, 140))),
    "Chunkham": (_pig, ((235, 130, 150),)),
    "Stone Golem": (_golem, ((105, 110, 125),)),
    "Ghost": (_ghost, ((205, 215, 240),)),
}


def _chest(t: Any) -> None:
    _box(t, 4, 12, 28, 29, (150, 92, 40))
    _box(t, 4, 8, 28, 15, (180, 112, 50))
    _box(t, 14, 13, 18, 19, (250, 210, 70))


def _shrine(t: Any) -> None:
    _box(t, 12, 12, 20, 30, (120, 125, 150))
    _oval(t, 16, 8, 6, 6, (90, 220, 255))


def _greed(t: Any) -> None:
    _box(t, 11, 14, 21, 30, (90, 70, 60))
    _oval(t, 16, 9, 7, 7, (250, 200, 60))


def _portal(t: Any) -> None:
    _oval(t, 16, 16, 11, 15, (120, 40, 170))
    _oval(t, 16, 16, 7, 11, (210, 120, 255), outline=False)


def _pot(t: Any) -> None:
    _oval(t, 16, 21, 9, 10, (190, 110, 70))
    _box(t, 11, 8, 21, 11, (170, 95, 60))


def _gem(t: Any) -> None:
    points = np.array([[16, 4], [25, 16], [16, 28], [7, 16]])
    cv2.fillPoly(t, [points], (*_BLACK, 255))
    cv2.fillPoly(t, [(points - 16) * 3 // 4 + 16], (70, 190, 255, 255))
    cv2.fillPoly(t, [(points - 16) * 2 // 5 + np.array([14, 13])], (190, 240, 255, 255))


def _coin(t: Any) -> None:
    _oval(t, 16, 16, 9, 11, (250, 205, 60))
    _oval(t, 16, 16, 5, 7, (225, 165, 40), outline=False)


def _meat(t: Any) -> None:
    _oval(t, 14, 18, 10, 8, (200, 80, 60))
    _box(t, 22, 8, 25, 14, _WHITE)


def _tree(t: Any) -> None:
    _box(t, 14, 22, 18, 31, (105, 72, 44))
    for y, r, c in ((20, 11, (36, 98, 48)), (13, 9, (46, 118, 56)), (6, 6, (60, 140, 66))):
        _oval(t, 16, y, r, 6, c)


def _orb(colour: Colour, core: Colour) -> Callable[[Any], None]:
    def draw(t: Any) -> None:
        cv2.circle(t, (16, 16), 11, (*colour, 255), -1)
        cv2.circle(t, (15, 14), 5, (*core, 255), -1)

    return draw


def _blade(t: Any) -> None:
    cv2.ellipse(t, (16, 20), (15, 12), 0, 180, 360, (230, 240, 255, 255), 4)


def _bolt(t: Any) -> None:
    cv2.fillPoly(t, [np.array([[18, 0], [8, 18], [15, 18], [11, 31], [24, 12], [16, 12]])], (255, 250, 130, 255))


def _hero(t: Any, colour: Colour) -> None:
    _humanoid(t, (250, 190, 130), colour)
    _box(t, 9, 1, 23, 4, colour)


_OTHERS: Final[dict[str, Callable[[Any], None]]] = {
    "xp": _gem, "gold": _coin, "health": _meat, "chest": _chest, "shrine": _shrine, "portal": _portal, "pot": _pot,
    "greed": _greed, "tree": _tree, "fire": _orb((255, 120, 40), (255, 230, 120)),
    "bone": _orb((235, 230, 215), (255, 255, 250)), "steel": _orb((190, 200, 215), (250, 250, 255)),
    "banana": _orb((250, 215, 60), (255, 245, 160)), "rock": _orb((130, 120, 110), (170, 160, 150)),
    "mine": _orb((70, 70, 80), (255, 70, 60)), "blade": _blade, "bolt": _bolt,
}  # fmt: skip
_HEROES: Final = (
    (226, 110, 40), (120, 90, 200), (180, 60, 60), (80, 160, 190), (230, 200, 60), (90, 130, 60), (60, 150, 90),
    (150, 100, 60),
)  # fmt: skip


class Atlas:
    """All tiles, u8 [n, 32, 32, 4], and where each thing's tile is."""

    def __init__(self) -> None:
        catalog = load_catalog()
        tiles: list[ByteArray] = []
        self.foes: list[int] = []
        self.heroes: list[int] = []
        self.others: dict[str, int] = {}
        for foe in catalog.foes:
            draw, arguments = _FOES.get(foe["name"], (_treant, ((110, 78, 50),)))
            tiles.append(_tile())
            draw(tiles[-1], *arguments)
            self.foes.append(len(tiles) - 1)
        for i in range(len(catalog.characters)):
            tiles.append(_tile())
            _hero(tiles[-1], _HEROES[i % len(_HEROES)])
            self.heroes.append(len(tiles) - 1)
        for name, draw_other in _OTHERS.items():
            tiles.append(_tile())
            draw_other(tiles[-1])
            self.others[name] = len(tiles) - 1
        self.tiles: ByteArray = np.ascontiguousarray(np.stack(tiles))


@functools.cache
def atlas() -> Atlas:
    """The one atlas, drawn at the first call."""
    return Atlas()
