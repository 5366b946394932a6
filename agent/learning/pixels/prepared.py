"""Pictures that were resized once, on the disk: written as they come, mapped when they are sampled.

A source (a file of episodes, a video, a recording) has a folder with the raw pictures of each of its episodes, and the
arrays beside them. The folder has its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import IO, Any, Final

import cv2
import msgspec
import numpy as np

from agent.core.errors import RecordingError
from agent.core.folders import cache_folder
from agent.core.types import ByteArray
from agent.learning.pixels.episodes import Episode
from agent.learning.pixels.layout import ActionLayout, Control

VERSION: Final = 1
"""Of the form of the folder, and of what is done to pictures."""
MIN_PICTURES: Final = 2
_INDEX: Final = "episodes.json"
_ARRAYS: Final = ("actions", "known", "rewards", "dones", "menus")


class _Entry(msgspec.Struct, frozen=True):
    """One episode of a source."""

    name: str
    pictures: int
    dt_s: float
    player: str
    controls: tuple[Control, ...] | None


def default_cache() -> Path:
    """Where resized pictures lie unless another folder is named."""
    return cache_folder() / "pictures"


def fitted(pixels: ByteArray, size_px: int) -> ByteArray:
    """A picture u8 [h, w, 3] as u8 [size_px, size_px, 3]; its sides need not keep their ratio."""
    height, width = pixels.shape[:2]
    if (height, width) == (size_px, size_px):
        return pixels
    is_small = max(height, width) < size_px
    method = cv2.INTER_NEAREST if is_small else cv2.INTER_AREA
    resized: ByteArray = np.asarray(cv2.resize(pixels, (size_px, size_px), interpolation=method), np.uint8)
    return resized


class Preparing:
    """Takes the pictures of one source, an episode at a time; the episodes that are too short are left out."""

    def __init__(self, folder: Path, size_px: int) -> None:
        self.folder = folder
        self._size_px = size_px
        self._entries: list[_Entry] = []
        self._file: IO[bytes] | None = None
        self.pictures = 0
        folder.mkdir(parents=True)

    def add(self, pixels: ByteArray) -> None:
        """The next picture u8 [h, w, 3] of the open episode."""
        if self._file is None:
            self._file = (self.folder / f"{len(self._entries)}.u8").open("wb")
            self.pictures = 0
        self._file.write(np.ascontiguousarray(fitted(pixels, self._size_px)).data)
        self.pictures += 1

    def end(self, name: str, dt_s: float, layout: ActionLayout | None, player: str, **arrays: Any) -> None:
        """The open episode is whole; arrays: those of `Episode`, or None."""
        file, self._file = self._file, None
        if file is None:
            return
        file.close()
        if self.pictures < MIN_PICTURES:
            return
        kept = {key: array for key, array in arrays.items() if array is not None}
        np.savez(self.folder / f"{len(self._entries)}.npz", allow_pickle=False, **kept)
        controls = None if layout is None else layout.controls
        self._entries.append(_Entry(name, self.pictures, dt_s, player, controls))

    def leave(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()

    def close(self) -> None:
        """All was given; without it the folder is no source."""
        self.leave()
        (self.folder / _INDEX).write_bytes(msgspec.json.encode(self._entries))


class Cache:
    """Prepared sources in a folder, each under a key of its path, its time and what was asked."""

    def __init__(self, folder: Path, size_px: int, hz: float) -> None:
        self._folder, self._size_px, self._hz = folder, size_px, hz

    def place(self, source: Path, files: list[Path]) -> Path:
        """Where a source that consists of these files lies, prepared or not."""
        told = [f"{VERSION} {self._size_px} {self._hz} {source.absolute()}"]
        for file in files:
            info = file.stat()
            told.append(f"{file.name} {info.st_size} {info.st_mtime_ns}")
        return self._folder / hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]

    def begin(self, place: Path) -> Preparing:
        """Begins to prepare a source, in a folder of this process beside its place; raises RecordingError."""
        beside = place.with_name(f"{place.name}.{os.getpid()}.part")
        try:
            shutil.rmtree(beside, ignore_errors=True)
            return Preparing(beside, self._size_px)
        except OSError as error:
            raise RecordingError(f"{self._folder}: resized pictures cannot be kept there: {error.strerror}") from error

    def end(self, preparing: Preparing, place: Path) -> None:
        """Give it its name, unless another process was sooner."""
        preparing.close()
        try:
            preparing.folder.replace(place)
        except OSError:
            self.drop(preparing)
            if not (place / _INDEX).is_file():
                raise

    def drop(self, preparing: Preparing) -> None:
        """Delete what was begun."""
        preparing.leave()
        shutil.rmtree(preparing.folder, ignore_errors=True)

    def read(self, place: Path, source: str) -> list[tuple[Episode, ActionLayout | None]]:
        """The episodes of a prepared source, and the layout of their actions."""
        entries = msgspec.json.decode((place / _INDEX).read_bytes(), type=list[_Entry])
        return [_episode(place, i, entry, source, self._size_px) for i, entry in enumerate(entries)]

    def has(self, place: Path) -> bool:
        """True where the source was prepared."""
        return (place / _INDEX).is_file()


def _episode(place: Path, index: int, entry: _Entry, source: str, size_px: int) -> tuple[Episode, ActionLayout | None]:
    shape = (entry.pictures, size_px, size_px, 3)
    frames: ByteArray = np.memmap(place / f"{index}.u8", np.uint8, "r", shape=shape)
    with np.load(place / f"{index}.npz", allow_pickle=False) as arrays:
        rows = {name: arrays[name] if name in arrays.files else None for name in _ARRAYS}
    episode = Episode(
        name=entry.name, source=source, frames=frames, dt_s=entry.dt_s, player=entry.player, **rows
    )  # fmt: skip
    return episode, None if entry.controls is None else ActionLayout(entry.controls)
