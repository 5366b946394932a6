"""Arrays as RGB pictures for people and for the link: photographs, stacks, flags and plain numbers.

Never scaled by what is in the picture: bytes are 0 … 255, floats 0 … 1, or what their bounds say.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agent.core.types import ByteArray, FloatArray

PALETTE: Final = np.array(
    [
        (230, 80, 70), (80, 200, 120), (80, 140, 255), (250, 210, 80), (200, 110, 250), (90, 220, 230), (250, 150, 60),
        (235, 235, 235), (150, 100, 60), (255, 130, 180),
    ],
    np.uint8,
)  # fmt: skip
MIN_SIDE_PX: Final = 84
CHANNELS: Final = (1, 3, 4)
MIN_PX: Final = 8
_TILES: Final = 4


def picture_size(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Height, width and channels of an array that is a picture; None where it cannot be one."""
    if len(shape) == 2:
        return shape[0], shape[1], 1
    frames = 1
    if len(shape) == 4:
        frames, shape = shape[0], shape[1:]
    if len(shape) != 3 or min(shape) < 1:
        return None
    height, width, channels = (shape[1], shape[2], shape[0]) if _is_first(shape) else shape
    return height, width, frames * channels


def _is_first(shape: tuple[int, ...]) -> bool:
    """True where the channels of [a, b, c] are the first axis."""
    if shape[2] in CHANNELS and min(shape[:2]) >= MIN_PX:
        return False
    return shape[0] in CHANNELS and min(shape[1:]) >= MIN_PX or shape[0] < shape[2]


def channels_last(image: Any) -> Any:
    """A picture, or a stack of them, as [height, width, channels]: oldest frame first."""
    if image.ndim == 2:
        return image[:, :, None]
    if image.ndim == 4:
        return np.concatenate([channels_last(frame) for frame in image], 2)
    return np.moveaxis(image, 0, -1) if _is_first(image.shape) else image


def paint_flags(image: Any) -> ByteArray:
    """Flags [h, w, c] painted over each other by a palette, later channels on top; u8 [h, w, 3]."""
    picture = np.zeros((*image.shape[:2], 3), np.uint8)
    for channel in range(image.shape[2]):
        picture[image[:, :, channel] > 0] = PALETTE[channel % len(PALETTE)]
    return picture


def to_rgb(image: Any) -> ByteArray:
    """A picture [h, w] or [h, w, channels] as u8 [h, w, 3], at least 84 pixels a side.

    Three channels are RGB; other counts are frames beside each other: RGB as far as there are three, then grey.
    """
    image = channels_last(np.asarray(image))
    if image.dtype == np.bool_:
        return enlarged(paint_flags(image))
    if image.dtype != np.uint8:
        image = np.asarray(np.clip(image * (255.0 if image.dtype.kind == "f" else 1.0), 0, 255), np.uint8)
    return enlarged(_beside(_frames(image)))


def _frames(image: ByteArray) -> list[ByteArray]:
    channels = image.shape[2]
    coloured = channels if channels % 3 == 0 else 3 if channels == 4 else 0
    frames = [image[:, :, at : at + 3] for at in range(0, coloured, 3)]
    return frames + [np.repeat(image[:, :, at : at + 1], 3, axis=2) for at in range(coloured, channels)]


def _beside(frames: list[ByteArray]) -> ByteArray:
    """Frames of one size in rows of four."""
    if len(frames) == 1:
        return frames[0]
    width = min(len(frames), _TILES)
    padded = frames + [np.zeros_like(frames[0])] * (-len(frames) % width)
    rows = [np.concatenate(padded[at : at + width], 1) for at in range(0, len(padded), width)]
    return np.concatenate(rows, 0)


def drawn(numbers: FloatArray, shape: tuple[int, ...]) -> ByteArray:
    """Numbers as squares of grey, for a game that shows nothing else: 0 is the middle; u8 [h, w, 3].

    shape: of the array that they were; a board keeps its two axes.
    """
    grey = np.asarray(np.rint(127.5 * (1.0 + numbers / (1.0 + np.abs(numbers)))), np.uint8)
    if len(shape) != 2 or int(np.prod(shape)) != len(grey):
        side = int(np.ceil(np.sqrt(len(grey))))
        shape = (-(-len(grey) // side), side)
        grey = np.concatenate([grey, np.zeros(shape[0] * side - len(grey), np.uint8)])
    return enlarged(np.repeat(grey.reshape(*shape, 1), 3, axis=2))


def enlarged(picture: ByteArray) -> ByteArray:
    """The same picture, every pixel repeated until each side has 84."""
    times = -(-MIN_SIDE_PX // min(picture.shape[:2]))
    if times > 1:
        picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    return np.ascontiguousarray(picture, np.uint8)
