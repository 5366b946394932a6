"""What is observed of a Gymnasium environment: which parts are pictures, which are numbers, and which are neither.

A picture is a uint8 Box of 0 … 255 with 1, 3 or 4 channels, last or first, of at least 8 pixels a side; one without a
channel axis, of at least 36; a stack of such pictures; or what a profile declares (`picture = true`, `false`, or names
of parts). All frames and channels of a picture are kept. Every other Box, Discrete, MultiDiscrete and MultiBinary is
numbers; of Dict and Tuple every part is observed. Owns no environment.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten

from agent.core.errors import GameError, NumberError, SettingsError
from agent.core.types import ByteArray, EnvObservation, FloatArray
from agent.games.gymnasium_profile import Picture
from agent.games.pixels import CHANNELS, MIN_PX, channels_last, picture_size
from agent.games.pixels import paint_flags as painted

MAX_PX: Final = 84
"""Pictures are learned from at their own size up to this, where nothing else is asked for."""
MAX_NUMBERS: Final = 1 << 20
_MIN_GREY_PX: Final = 36
"""Below, an array of two axes is a board; a picture says that it is one by its channels."""
_MAX_FRAMES: Final = 32
_SCALE: Final = 255.0
_AT_ONCE: Final = 4
"""Channels that OpenCV resizes together."""
_LARGEST: Final = 1e9
"""Numbers are cut here: the squares of larger ones are not finite in float32."""


class Part(NamedTuple):
    """One part of an observation: its name, the keys that lead to it, and its space."""

    name: str
    keys: tuple[Any, ...]
    space: Any

    def of(self, observation: Any) -> Any:
        """This part's value."""
        for key in self.keys:
            observation = observation[key]
        return observation


class EnvView:
    """How the observations of a space become a picture and numbers.

    shape: of the picture, [height, width, channels], () where there is none; numbers: how many there are; unseen: the
    parts that cannot be observed. Raises SettingsError where a profile declares what is not there.
    max_px: a picture's sides are at most so long; paint_flags: flags are one picture of three colours, not a channel
    each.
    """

    def __init__(
        self, space: Any, declared: Picture = None, *, max_px: int = MAX_PX, paint_flags: bool = False
    ) -> None:
        self.space = space
        parts = list(_parts(space, "", ()))
        self.pictures = [p for p in parts if _is_picture(p, declared)]
        self.parts = [p for p in parts if p not in self.pictures and _is_numbers(p.space)]
        self.unseen = [f"{p.name or 'all'} {p.space}" for p in parts if p not in self.pictures and p not in self.parts]
        _check_declared(declared, self.pictures, parts)
        self.numbers = sum(int(flatdim(p.space)) for p in self.parts)
        if self.numbers > MAX_NUMBERS:
            raise SettingsError(f"observes {self.numbers} numbers; {MAX_NUMBERS} are possible")
        self.shape: tuple[int, ...] = ()
        self._readers = [_reader(p, paint_flags=paint_flags) for p in self.pictures]
        if self.pictures:
            sizes = [_painted(p.space, paint_flags=paint_flags) for p in self.pictures]
            height, width, _ = sizes[0]
            self.shape = (min(height, max_px), min(width, max_px), sum(size[2] for size in sizes))

    @property
    def features(self) -> int:
        """Numbers in a row: the picture's, then the others."""
        return int(np.prod(self.shape, initial=1) if self.shape else 0) + self.numbers

    def see(self, observation: Any) -> EnvObservation:
        """One observation as a picture u8 [height, width, channels], or None, and numbers f32."""
        flat = [_numbers(p, observation) for p in self.parts]
        numbers = np.concatenate(flat) if flat else np.zeros(0, np.float32)
        if not self.shape:
            return EnvObservation(None, numbers)
        read = zip(self.pictures, self._readers, strict=True)
        pictures = [_resized(_read(p, reader, observation), self.shape) for p, reader in read]
        return EnvObservation(pictures[0] if len(pictures) == 1 else np.concatenate(pictures, 2), numbers)

    def shown(self, observation: Any) -> Any:
        """The first picture at its own size, u8 [h, w, c]; None where there is none."""
        if not self.pictures:
            return None
        part = self.pictures[0]
        return _read(part, _reader(part, paint_flags=True), observation)

    def row(self, observation: Any) -> FloatArray:
        """One observation, f32 [features]."""
        return self.see(observation).row()

    def describe(self) -> str:
        """What is observed, in words."""
        said = []
        if self.shape:
            named = ", ".join(p.name or str(p.space) for p in self.pictures)
            said.append(f"a picture of {' x '.join(map(str, self.shape))} ({named})")
        if self.numbers:
            named = ", ".join(p.name or str(p.space).replace("\n", "") for p in self.parts)
            said.append(f"{self.numbers} number{'s' if self.numbers > 1 else ''} ({named})")
        return (" and ".join(said) or "nothing") + (f"; not {', '.join(self.unseen)}" if self.unseen else "")


def space_of(example: Any) -> Any:
    """A space for an observation of an environment that tells none; bytes are of 0 … 255, other numbers unbounded."""
    if isinstance(example, dict):
        return spaces.Dict({key: space_of(value) for key, value in example.items()})
    if isinstance(example, tuple):
        return spaces.Tuple([space_of(value) for value in example])
    if isinstance(example, np.ndarray) and example.dtype.kind in "biuf":
        if example.dtype == np.uint8:
            return spaces.Box(0, 255, example.shape, np.uint8)
        return spaces.Box(-np.inf, np.inf, example.shape, np.float32)
    return spaces.Text(1)


def _parts(space: Any, name: str, keys: tuple[Any, ...]) -> Iterator[Part]:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inner = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, part in inner:
            yield from _parts(part, f"{name}.{key}" if name else str(key), (*keys, key))
    else:
        yield Part(name, keys, space)


def _is_numbers(space: Any) -> bool:
    return isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)


def _numbers(part: Part, observation: Any) -> FloatArray:
    """A part written flat, f32, within ±1e9; raises GameError where it holds NaN or is not of its space's shape."""
    if not part.keys and isinstance(observation, np.ndarray) and observation.dtype == np.float32 == part.space.dtype:
        fits = observation.shape == part.space.shape and np.abs(observation).max(initial=0.0) <= _LARGEST
        if fits:  # the usual case: nothing to convert and nothing to cut
            return observation.reshape(-1).copy()
    try:
        flat = np.asarray(flatten(part.space, part.of(observation))).reshape(-1).astype(np.float64)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise GameError(_unlike(part, observation)) from error
    if len(flat) != flatdim(part.space):
        raise GameError(_unlike(part, observation))
    if np.isnan(flat).any():
        raise NumberError(f"observation {part.name or part.space}: holds NaN, which is no number")
    return flat.clip(-_LARGEST, _LARGEST).astype(np.float32)


def _read(part: Part, reader: Callable[[Any], ByteArray], observation: Any) -> ByteArray:
    """A part that is a picture, u8 [h, w, c]; raises GameError where it is not of its space's shape."""
    try:
        value = np.asarray(part.of(observation))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise GameError(_unlike(part, observation)) from error
    if value.shape != part.space.shape:
        raise GameError(_unlike(part, observation))
    return reader(value)


def _unlike(part: Part, observation: Any) -> str:
    named = f"part {part.name} " if part.name else ""
    return f"observation {reprlib.repr(observation)}: {named}is not of its space {part.space}"


def _is_picture(part: Part, declared: Picture) -> bool:
    if declared is None:
        return _looks_like_one(part.space)
    if isinstance(declared, bool):
        return declared and isinstance(part.space, spaces.Box) and picture_size(part.space.shape) is not None
    return part.name in declared


def _looks_like_one(space: Any) -> bool:
    """True for uint8 of 0 … 255 that is shaped as a picture or a stack of them."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8:
        return False
    if int(space.low.min(initial=0)) != 0 or int(space.high.min(initial=255)) != 255:
        return False
    shape = space.shape
    if len(shape) == 2:
        return min(shape) >= _MIN_GREY_PX
    if len(shape) == 4 and shape[0] <= _MAX_FRAMES:
        shape = shape[1:]
    if len(shape) != 3:
        return False
    if len(space.shape) == 3 and shape[0] <= _MAX_FRAMES and min(shape[1:]) >= _MIN_GREY_PX:
        return True
    by_last = shape[2] in CHANNELS and min(shape[:2]) >= MIN_PX
    return by_last or (shape[0] in CHANNELS and min(shape[1:]) >= MIN_PX)


def _check_declared(declared: Picture, pictures: list[Part], parts: list[Part]) -> None:
    if declared is None or declared is False:
        return
    names = [p.name for p in parts if p.name]
    missing = [] if declared is True else [name for name in declared if name not in names]
    if missing:
        raise SettingsError(f"the profile's picture: there is no part {missing[0]}; there are {', '.join(names)}")
    if not pictures:
        raise SettingsError("the profile says picture = true, and no part has the two or more axes of a picture")
    for part in pictures:
        space = part.space
        if not isinstance(space, spaces.Box) or picture_size(space.shape) is None:
            raise SettingsError(f"the profile's picture: {part.name} {space} has not the axes of a picture")
        if not space.is_bounded():
            raise SettingsError(f"the profile's picture: {part.name or space} has no bounds, so no brightness")


def _painted(space: Any, *, paint_flags: bool) -> tuple[int, int, int]:
    size = picture_size(space.shape)
    assert size is not None
    return (size[0], size[1], 3) if space.dtype == np.bool_ and paint_flags else size


def _reader(part: Part, *, paint_flags: bool) -> Callable[[Any], ByteArray]:
    """From a part's value to u8 [h, w, c]: flags are 0 and 255 or painted, bytes stay, other numbers are scaled."""
    space = part.space
    if space.dtype == np.bool_ and paint_flags:
        return lambda value: painted(channels_last(np.asarray(value)))
    if space.dtype == np.bool_:
        return lambda value: np.asarray(channels_last(np.asarray(value)), np.uint8) * np.uint8(_SCALE)
    low, high = float(space.low.min()), float(space.high.max())
    if space.dtype == np.uint8 and (low, high) == (0.0, _SCALE):
        return lambda value: np.asarray(channels_last(np.asarray(value)), np.uint8)
    return lambda value: scaled(channels_last(np.asarray(value)), low, high)


def scaled(image: Any, low: float, high: float) -> ByteArray:
    """Numbers from `low` to `high` as bytes; raises NumberError where one is NaN."""
    share = (np.asarray(image, np.float64) - low) / max(high - low, 1e-12)
    if np.isnan(share).any():
        raise NumberError("observation: its picture holds NaN, which is no number")
    return np.asarray(np.rint(np.clip(share, 0.0, 1.0) * _SCALE), np.uint8)


def _resized(picture: ByteArray, shape: tuple[int, ...]) -> ByteArray:
    height, width, _ = shape
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    small = [
        cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
        for part in np.split(picture, range(_AT_ONCE, picture.shape[2], _AT_ONCE), 2)
    ]
    return np.asarray(np.concatenate(small, 2), np.uint8)
