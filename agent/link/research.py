"""The client's end of ResearchPlugin: a game in lock-step over shared memory.

`ResearchMap` knows the layout, `ResearchClient` steps a game and blocks until it answered, `ResearchLink` is the same
game behind the interface of `BonkLink`. The map carries a picture, a reward and an end; no state of the game. The game
creates the map; a client only opens it. Heartbeats tell the game that a client that thinks for long is alive.

Where the map is a file it is read and written as one: a file that shrinks is then a closed link, where mapped memory
would end this process with SIGBUS.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import mmap
import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.clock import Clock
from agent.core.errors import LinkClosed, LinkError, LinkRefused, LinkTimeout, ProtocolError, SettingsError
from agent.core.types import Action, ByteArray, GameState, Packet, RunInfo
from agent.link.accounting import LinkCounters
from agent.link.bonklink import PacketListener
from agent.link.imaging import encode_raw
from agent.link.shared_bytes import Shared, SharedFile, SharedMemory

WAIT, ACTION, OBSERVATION, RESET, TERMINATED = range(5)
HEAD_BYTES: Final = 0x20
ACTION_BYTES: Final = 24
BEAT_BYTES: Final = 8
BEAT_EVERY_S: Final = 0.1
_MAX_SIDE_PX: Final = 8192
LOOK_EVERY: Final = 500
"""After so many looks without an observation it is looked whether the map's file is still there."""
_HEAD = struct.Struct("<fiiiii")
_SIZE = struct.Struct("<2i")
_I32 = struct.Struct("<i")
_U32 = struct.Struct("<I")
_ACTION = struct.Struct("<6f")
_NO_ENEMIES = np.zeros((0, 4), np.float32)
_NO_ENEMIES.flags.writeable = False


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


class _Heart:
    """Beats on a thread of its own, so that a client that computes for long stays alive for the game."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="research heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(BEAT_EVERY_S):
            try:
                self._beat()
            except LinkClosed:
                return

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class ResearchClient:
    """Steps one game and waits for it; for learners that own their loop. Not for an event loop's thread."""

    def __init__(self, address: ResearchAddress, clock: Clock, *, patience_s: float = 5.0) -> None:
        self._clock = clock
        self._patience_s = patience_s
        self._map = ResearchMap(address)
        self._heart = _Heart(self._map.beat)
        self._pause = threading.Event()

    @property
    def map(self) -> ResearchMap:
        return self._map

    def reset(self) -> ResearchStep:
        """Begin a new run; returns its first observation."""
        self._map.flag = RESET
        return self._answer()

    def step(self, action: Action) -> ResearchStep:
        """One step with this action."""
        self._map.write_action(action)
        return self._answer()

    def _answer(self) -> ResearchStep:
        shared, looks = self._map, 0
        deadline_s = self._clock.now_s() + self._patience_s
        while True:
            flag = shared.flag
            if flag == OBSERVATION:
                step = shared.read()
                if step is not None:
                    return step
            elif flag == TERMINATED:
                raise LinkClosed(f"{shared.address}: the game ended")
            looks += 1
            if looks % 64 == 0:
                if self._clock.now_s() > deadline_s:
                    raise LinkTimeout(f"{shared.address}: no observation within {self._patience_s} s")
                if looks > 4096:
                    self._pause.wait(0.0002)
                else:
                    _give_way()

    def close(self) -> None:
        """Say goodbye; the game runs on at its own pace."""
        self._heart.stop()
        self._map.leave()
        self._map.close()

    def __enter__(self) -> ResearchClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _give_way() -> None:
    """Let another thread of this processor run."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()


class ResearchLink:
    """A game in shared memory behind the interface of `BonkLink`; reopens the map for ever.

    Each observation is a packet with BLX1 and a raw frame; it waits for one action. What the map does not carry
    (positions, health, enemies) is zero, and health is full.
    """

    def __init__(self, address: ResearchAddress, listener: PacketListener, clock: Clock) -> None:
        self.endpoint = address
        self.listener = listener
        self.clock = clock
        self.counters = LinkCounters()
        self.last_error: str | None = None
        self._map: ResearchMap | None = None
        self._owed = self._ended = False
        self._dropped: LinkError | None = None
        self._sequence = 0

    @property
    def is_up(self) -> bool:
        """True while the map is open."""
        return self._map is not None

    def send(self, action: Action) -> bool:
        """Answer the observation that waits; False when none does. The answer to an end is a new run."""
        if self._map is None or not self._owed:
            self.counters.actions_blocked += 1
            return False
        self._owed = False
        try:
            if self._ended:
                self._map.flag = RESET
            else:
                self._map.write_action(action)
        except LinkClosed as error:
            self._dropped = error
            self.counters.actions_blocked += 1
            return False
        self.counters.actions_sent += 1
        return True

    def rehearse(self, action: Action) -> None:
        """Nothing: a game in lock-step waits for its answer."""

    def drop(self, reason: str) -> None:
        """Close the map; it is opened anew."""
        self._dropped = LinkError(f"{self.endpoint}: {reason}")

    def close(self) -> None:
        """Say goodbye; `run` must be cancelled by its owner."""
        self.drop("closed by the agent")

    async def run(self) -> None:
        """Open the map, serve, and open it again; ends by cancellation only."""
        while True:
            try:
                await self._session()
            except LinkRefused as error:
                self.counters.refused += 1
                self.last_error = str(error)
            except LinkError as error:
                self.last_error = str(error)
                self._count(error)
                if isinstance(error, ProtocolError):
                    self.listener.on_bad_packet(error.reason)
                self.listener.on_down(str(error))
            await self.clock.sleep_until(self.clock.now_s() + 0.25)

    def _count(self, error: LinkError) -> None:
        if isinstance(error, LinkClosed):
            self.counters.closed += 1
        elif isinstance(error, ProtocolError):
            self.counters.corrupt += 1
            self.counters.corrupt_reasons[error.reason] = self.counters.corrupt_reasons.get(error.reason, 0) + 1
        else:
            self.counters.dropped += 1

    async def _session(self) -> None:
        shared = ResearchMap(self.endpoint)
        if shared.flag == TERMINATED:
            shared.close()
            raise LinkRefused(f"{self.endpoint}: the game behind this map has ended")
        heart = _Heart(shared.beat)
        self._map, self._owed, self._dropped = shared, False, None
        self.counters.connects += 1
        self.listener.on_up()
        try:
            shared.flag = RESET
            await self._serve(shared)
        finally:
            self._map = None
            heart.stop()
            shared.leave()
            shared.close()

    async def _serve(self, shared: ResearchMap) -> None:
        looks = 0
        while self._dropped is None:
            flag = shared.flag
            if flag == TERMINATED:
                raise LinkClosed(f"{self.endpoint}: the game ended")
            step = shared.read() if flag == OBSERVATION and not self._owed else None
            if step is None:
                looks += 1
                if looks % LOOK_EVERY == 0:
                    shared.check()
                await asyncio.sleep(0 if looks < 200 else 0.001)
                continue
            looks = 0
            self._deliver(shared, step)
        raise self._dropped

    def _deliver(self, shared: ResearchMap, step: ResearchStep) -> None:
        self._sequence += 1
        self._owed, self._ended = True, step.done
        self.counters.packets += 1
        self.counters.frames += 1
        packet = Packet(_state(self._sequence, step, shared.size_px), encode_raw(step.pixels, top_down=True))
        self.counters.bytes_received += len(packet.frame)
        self.listener.on_packet(packet, self.clock.now_s())


def _state(sequence: int, step: ResearchStep, size_px: tuple[int, int]) -> GameState:
    values: dict[str, Any] = {
        "sequence": sequence & 0xFFFFFFFF,
        "capture_time_us": step.time_ms * 1000,
        "capture_size_px": size_px,
        "screen_size_px": size_px,
        "rows_top_down": True,
        "run_ended": step.done,
        "run_won": False,
        "level": 0,
        "xp_fraction": 0.0,
        "kills": 0,
        "gold": 0,
        "damage_dealt": 0.0,
        "damage_taken": 0.0,
        "run_seed": 0,
        "reward": step.reward,
    }
    still = (0.0, 0.0, 0.0)
    return GameState(
        position=still,
        velocity=still,
        health=1.0,
        max_health=1.0,
        game_time_s=step.time_ms * 1e-3,
        is_playing=True,
        is_paused=False,
        enemies=_NO_ENEMIES,
        current_menu="",
        level_up_options=(),
        run=RunInfo(**values),
    )
