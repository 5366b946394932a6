"""The map of a game in lock-step: its layout, its address, and whether the game behind it still runs.

The game creates the map; a client only opens it. Where the map is a file it is read and written as one: a file that
shrinks is then a closed link, where mapped memory would end this process with SIGBUS.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import re
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from agent.core.clock import Clock
from agent.core.errors import LinkClosed, LinkError, LinkRefused, ProtocolError, SettingsError
from agent.core.types import Action, ByteArray
from agent.link.shared_bytes import Shared, SharedFile, SharedMemory

WAIT, ACTION, OBSERVATION, RESET, TERMINATED = range(5)
HEAD_BYTES: Final = 0x20
ACTION_BYTES: Final = 24
BEAT_BYTES: Final = 20
RUNS_ON: Final = 2
"""Status of a game that runs on without its client."""
DEAD_S: Final = 3.0
"""A game whose heartbeat, twenty times a second, stays away for so long has died."""
YOUNG_S: Final = 0.25
"""A map whose epoch stays 0 for so long is of a plugin that has none; a game writes its own soon after the map."""
_MAX_SIDE_PX: Final = 8192
_HEAD = struct.Struct("<fiiiii")
_SIZE = struct.Struct("<2i")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_PULSE = struct.Struct("<2I")
_ACTION = struct.Struct("<6f")


class ResearchAddress(msgspec.Struct, frozen=True):
    """Which map to open; `folder` is None for Windows' named maps."""

    instance: int = 0
    folder: str | None = None
    size_px: tuple[int, int] = (84, 84)

    @property
    def name(self) -> str:
        return f"megabonk_env_{self.instance}"

    def numbered(self, index: int) -> ResearchAddress:
        """The address of game `index` of several."""
        return msgspec.structs.replace(self, instance=self.instance + index)

    def __str__(self) -> str:
        return f"research://{self.instance}"


def parse_research(text: str, environ: Mapping[str, str]) -> ResearchAddress:
    """Read `research://[INSTANCE]` with the plugin's own environment; raises SettingsError."""
    match = re.fullmatch(r"research://([0-9]{0,4})/?", text)
    if match is None:
        raise SettingsError(f"--game {text}: expected research://INSTANCE, such as research://0")
    numbers = {}
    for name, default in (("MEGABONK_INSTANCE_ID", 0), ("MEGABONK_OBS_WIDTH", 84), ("MEGABONK_OBS_HEIGHT", 84)):
        value = environ.get(name, str(default)).strip()
        if not (value.isdecimal() and len(value) <= 9):
            raise SettingsError(f"{name}={value!r}: a whole number is needed")
        numbers[name] = int(value)
    width, height = numbers["MEGABONK_OBS_WIDTH"], numbers["MEGABONK_OBS_HEIGHT"]
    if not (1 <= width <= _MAX_SIDE_PX and 1 <= height <= _MAX_SIDE_PX):
        raise SettingsError(f"MEGABONK_OBS_WIDTH, _HEIGHT: {width}×{height}, each goes from 1 to {_MAX_SIDE_PX}")
    folder = environ.get("MEGABONK_RESEARCH_SHM_DIR") or (None if sys.platform == "win32" else "/dev/shm")
    instance = int(match[1]) if match[1] else numbers["MEGABONK_INSTANCE_ID"]
    return ResearchAddress(instance, folder, (width, height))


class ResearchStep(msgspec.Struct, frozen=True, eq=False):
    """What the game says after a step: u8 [h, w, 3] pixels, upright, the reward, and whether the run ended."""

    pixels: ByteArray
    reward: float
    done: bool
    step: int
    time_ms: int


class ResearchMap:
    """The map's bytes: reads under the sequence lock, actions, the flag, and the heartbeat beside it.

    Every access raises LinkClosed where the map has shrunk or is gone.
    """

    def __init__(self, address: ResearchAddress) -> None:
        self.address = address
        self._shared = _open(address, address.name)
        try:
            self._beat = _open(address, address.name + "_beat", BEAT_BYTES)
        except LinkRefused:
            self._shared.close()
            raise
        try:
            self._begin()
        except LinkError:
            self.close()
            raise

    def _begin(self) -> None:
        address = self.address
        if address.folder is None and not any(self._shared.read(0, HEAD_BYTES)):
            # Opening a named map that is not there makes an empty one.
            raise LinkRefused(f"{address}: {address.name} is empty; is the game with ResearchPlugin running?")
        found = self._shared.size()
        if found == 0:
            raise LinkRefused(f"{address}: {address.name} has no bytes yet; the game begins")
        if found < HEAD_BYTES:
            raise ProtocolError("map_size", f"{address}: {found} bytes are too few for a map")
        self._said = width, height = _SIZE.unpack(self._shared.read(0x18, _SIZE.size))
        if width <= 0 or width > _MAX_SIDE_PX or height <= 0 or height > _MAX_SIDE_PX:
            width, height = address.size_px
        self.size_px = (width, height)
        self._pixel_bytes = width * height * 3
        self._needed = HEAD_BYTES + self._pixel_bytes + ACTION_BYTES
        if found < self._needed:
            raise ProtocolError("map_size", f"{address}: {found} bytes are too few for {width}×{height}")

    def _get(self, offset: int, count: int) -> bytes:
        data = self._shared.read(offset, count)
        if len(data) < count:
            raise LinkClosed(f"{self.address}: the map has shrunk")
        return data

    def check(self) -> None:
        """Raise LinkClosed where the map has shrunk, or its file was replaced or removed."""
        if self._shared.size() < self._needed:
            raise LinkClosed(f"{self.address}: the map has shrunk, or is gone")

    @property
    def flag(self) -> int:
        return int(_I32.unpack(self._get(0, 4))[0])

    @flag.setter
    def flag(self, value: int) -> None:
        self.check()
        self._shared.write(0, _I32.pack(value))

    @property
    def game_status(self) -> int:
        """0 no client, 1 lock-step, 2 the game runs on without its client, 3 closed."""
        data = self._beat.read(4, 4)
        return int(_I32.unpack(data)[0]) if len(data) == 4 else 3

    @property
    def picture_source(self) -> int:
        """How the game takes its pictures, numbered as in BLX1's flags; 0 where it does not say."""
        data = self._beat.read(16, 4)
        said = int(_I32.unpack(data)[0]) if len(data) == 4 else 0
        return said if 0 <= said <= 3 else 0

    def pulse(self) -> tuple[int, int]:
        """The game's epoch, another one after each start, and its heartbeats; zeros where the plugin has neither."""
        data = self._beat.read(8, 8)
        return _PULSE.unpack(data) if len(data) == 8 else (0, 0)

    def beat(self) -> None:
        """Tell the game that this client is alive."""
        data = self._beat.read(0, 4)
        if len(data) < 4:
            raise LinkClosed(f"{self.address}: the map of heartbeats has shrunk")
        self._beat.write(0, _U32.pack((_U32.unpack(data)[0] + 1) & 0xFFFFFFFF))

    def read(self) -> ResearchStep | None:
        """The newest observation, or None where the game is writing just now; raises ProtocolError as the wire does."""
        before = _U32.unpack(self._get(4, 4))[0]
        if before & 1:
            return None
        reward, done, step, time_ms, *said = _HEAD.unpack(self._get(8, _HEAD.size))
        pixels = np.frombuffer(self._get(HEAD_BYTES, self._pixel_bytes), np.uint8).copy()
        if _U32.unpack(self._get(4, 4))[0] != before:
            return None
        if not math.isfinite(reward):
            raise ProtocolError("not_finite", f"{self.address}: the reward is {reward}")
        if step < 0 or time_ms < 0:
            raise ProtocolError("out_of_range", f"{self.address}: step {step} at {time_ms} ms")
        if tuple(said) != self._said:
            raise ProtocolError("map_size", f"{self.address}: the picture's size went from {self._said} to {said}")
        width, height = self.size_px
        return ResearchStep(pixels.reshape(height, width, 3), reward, done != 0, step, time_ms)

    def write_action(self, action: Action) -> None:
        """Write the action and raise its flag; a click presses what has the focus, the map has no place for a point."""
        self.check()
        x, y = (min(1.0, max(-1.0, v)) for v in action.move)
        buttons = (action.fire, action.ability, action.interact, action.click is not None)
        self._shared.write(HEAD_BYTES + self._pixel_bytes, _ACTION.pack(x, y, *map(float, buttons)))
        self.flag = ACTION

    def leave(self) -> None:
        """Say goodbye, where the map is still there."""
        with contextlib.suppress(LinkClosed):
            if self.flag != TERMINATED:
                self.flag = TERMINATED

    def close(self) -> None:
        """Let go of the memory; the game's flag is left as it is."""
        self._shared.close()
        self._beat.close()


def _open(address: ResearchAddress, name: str, size: int = 0) -> Shared:
    if address.folder is None:
        if sys.platform != "win32":
            raise LinkRefused(f"{address}: named maps exist on Windows only; set MEGABONK_RESEARCH_SHM_DIR")
        width, height = address.size_px
        return SharedMemory(mmap.mmap(-1, size or HEAD_BYTES + width * height * 3 + ACTION_BYTES, tagname=name))
    path = Path(address.folder) / name
    try:
        if sys.platform != "win32":
            return SharedFile(path)
        with path.open("r+b") as file:
            return SharedMemory(mmap.mmap(file.fileno(), 0))
    except (OSError, ValueError) as error:
        raise LinkRefused(f"{address}: {path}: {error}; is the game with ResearchPlugin running?") from error


class GameWatch:
    """Whether the game that made a map still runs; a plugin without an epoch is taken for running after `YOUNG_S`."""

    def __init__(self, shared: ResearchMap, clock: Clock) -> None:
        self._shared, self._clock = shared, clock
        self._epoch, self._beats = shared.pulse()
        self._since_s = self._beat_s = clock.now_s()
        self.is_known = False
        """True after the first heartbeat that was seen: this is no map that a killed game left."""

    @property
    def is_same(self) -> bool:
        """False where the game was started anew since the map was opened."""
        return self._shared.pulse()[0] == self._epoch

    def look(self) -> float:
        """Look for a heartbeat; returns for how long none was seen, s."""
        epoch, beats = self._shared.pulse()
        now_s = self._clock.now_s()
        is_old = epoch == self._epoch == 0 and now_s >= self._since_s + YOUNG_S
        if is_old or (epoch == self._epoch and beats != self._beats):
            self._beats, self._beat_s, self.is_known = beats, now_s, True
        return now_s - self._beat_s

    def check(self) -> None:
        """Look at the game's heart; raises LinkClosed where the game died or was started anew."""
        silent_s = self.look()
        if not self.is_same:
            raise LinkClosed(f"{self._shared.address}: the game was started anew")
        if silent_s > DEAD_S:
            raise LinkClosed(f"{self._shared.address}: the game has died; no heartbeat for {silent_s:.1f} s")
