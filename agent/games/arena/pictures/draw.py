"""Rectangles, bars and captions on pictures; sizes follow the picture's height."""

from __future__ import annotations

from typing import Any, Final

import cv2

FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
WHITE: Final = (250, 250, 245)
DARK: Final = (18, 18, 26)
GREY: Final = (135, 135, 145)
TINTS: Final = {
    "plain": (52, 56, 84),
    "go": (42, 122, 60),
    "stop": (142, 46, 46),
    "cool": (40, 84, 150),
    "common": (70, 74, 86),
    "new": (52, 92, 66),
    "uncommon": (48, 112, 62),
    "rare": (42, 84, 156),
    "epic": (112, 52, 150),
    "legendary": (176, 112, 30),
}
Colour = tuple[int, int, int]


def text_size_px(text: str, scale: float) -> tuple[int, int]:
    """Width and height of a caption."""
    (width, height), _ = cv2.getTextSize(text, FONT, scale, 1)
    return width, height


def caption(
    pixels: Any, text: str, x: float, y: float, scale: float, colour: Colour = WHITE, *, centred: bool = False
) -> None:
    """Write one line, its left (or centre) at x and its middle at y, with a shadow to be read on anything."""
    width, height = text_size_px(text, scale)
    at = (round(x - width / 2 if centred else x), round(y + height / 2))
    thick = max(1, round(scale * 1.6))
    drop = max(1, round(scale * 1.5))
    cv2.putText(pixels, text, (at[0] + drop, at[1] + drop), FONT, scale, DARK, thick, cv2.LINE_AA)
    cv2.putText(pixels, text, at, FONT, scale, colour, thick, cv2.LINE_AA)


def fitting(text: str, scale: float, width_px: float) -> float:
    """The scale, made smaller where the caption would be wider than there is room."""
    width, _ = text_size_px(text, scale)
    return scale if width <= width_px else scale * width_px / width


def box(pixels: Any, x0: float, y0: float, x1: float, y1: float, colour: Colour, edge: Colour | None = None) -> None:
    """A filled rectangle, with an edge where one is given."""
    a, b = (round(x0), round(y0)), (round(x1), round(y1))
    cv2.rectangle(pixels, a, b, colour, -1)
    if edge is not None:
        cv2.rectangle(pixels, a, b, edge, max(1, pixels.shape[0] // 180))


def bar(pixels: Any, x0: float, y0: float, x1: float, y1: float, share: float, colour: Colour) -> None:
    """A bar filled to a share in 0…1."""
    box(pixels, x0, y0, x1, y1, DARK)
    share = min(1.0, max(0.0, share))
    if share > 0:
        box(pixels, x0 + 1, y0 + 1, x0 + 1 + (x1 - x0 - 2) * share, y1 - 1, colour)


def dim(pixels: Any, share: float) -> None:
    """Darken the whole picture to a share of its brightness."""
    cv2.convertScaleAbs(pixels, pixels, share, 0)
