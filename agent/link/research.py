"""The client's end of ResearchPlugin: a game in lock-step over shared memory.

`ResearchMap` knows the layout, `ResearchClient` steps a game and blocks until it answered, `ResearchLink` is the same
game behind the interface of `BonkLink`. The map carries a picture, a reward and an end; no state of the game. The game
creates the map; a client only opens it. Heartbeats tell the game that a client that thinks for long is alive.
"""

from __future__ import annotations

import asyncio
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

WAIT, ACTION, OBSERVATION, RESET, TERMINATED = range(5)
HEAD_BYTES: Final = 0x20
ACTION_BYTES: Final = 24
BEAT_BYTES: Final = 8
BEAT_EVERY_S: Final = 0.1
_MAX_SIDE_PX: Final = 8192
_HEAD = struct.Struct("<fiiiii")
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
    """The map's bytes: reads under the sequence lock, actions, the flag, and the heartbeat beside it."""

    def __init__(self, address: ResearchAddress) -> None:
        self.address = address
        self._map, self._beat_map = _open(address, address.name), _open(address, address.name + "_beat", BEAT_BYTES)
        self._view = memoryview(self._map)
        width, height = struct.unpack_from("<2i", self._map, 0x18)
        if address.folder is None and not any(self._map[:HEAD_BYTES]):
            # Opening a named map that is not there makes an empty one.
            self.close()
            raise LinkRefused(f"{address}: {address.name} is empty; is the game with ResearchPlugin running?")
        if width <= 0 or width > _MAX_SIDE_PX or height <= 0 or height > _MAX_SIDE_PX:
            width, height = address.size_px
        self.size_px = (width, height)
        self._pixel_bytes = width * height * 3
        if len(self._map) < HEAD_BYTES + self._pixel_bytes + ACTION_BYTES:
            found = len(self._map)
            self.close()
            raise ProtocolError("map_size", f"{address}: {found} bytes are too few for {width}×{height}")
        self._flag = self._view[0:4].cast("i")
        self._sequence = self._view[4:8].cast("I")
        self._beats = memoryview(self._beat_map)[0:4].cast("I")

    @property
    def flag(self) -> int:
        return self._flag[0]

    @flag.setter
    def flag(self, value: int) -> None:
        self._flag[0] = value

    @property
    def game_status(self) -> int:
        """0 no client, 1 lock-step, 2 the game runs on without its client, 3 closed."""
        return int(struct.unpack_from("<i", self._beat_map, 4)[0])

    def beat(self) -> None:
        """Tell the game that this client is alive."""
        self._beats[0] = (self._beats[0] + 1) & 0xFFFFFFFF

    def read(self) -> ResearchStep | None:
        """The newest observation, or None where the game is writing just now."""
        before = self._sequence[0]
        if before & 1:
            return None
        reward, done, step, time_ms, _, _ = _HEAD.unpack_from(self._map, 8)
        pixels = np.frombuffer(self._view[HEAD_BYTES : HEAD_BYTES + self._pixel_bytes], np.uint8).copy()
        if self._sequence[0] != before:
            return None
        width, height = self.size_px
        return ResearchStep(pixels.reshape(height, width, 3), reward, done != 0, step, time_ms)

    def write_action(self, action: Action) -> None:
        """Write the action and raise its flag; a click presses what has the focus, the map has no place for a point."""
        x, y = (min(1.0, max(-1.0, v)) for v in action.move)
        buttons = (action.fire, action.ability, action.interact, action.click is not None)
        _ACTION.pack_into(self._map, HEAD_BYTES + self._pixel_bytes, x, y, *map(float, buttons))
        self.flag = ACTION

    def close(self) -> None:
        """Let go of the memory; the game's flag is left as it is."""
        for name in ("_flag", "_sequence", "_beats"):
            view = getattr(self, name, None)
            if view is not None:
                view.release()
        self._view.release()
        self._map.close()
        self._beat_map.close()


def _open(address: ResearchAddress, name: str, size: int = 0) -> mmap.mmap:
    if address.folder is None:
        if sys.platform != "win32":
            raise LinkRefused(f"{address}: named maps exist on Windows only; set MEGABONK_RESEARCH_SHM_DIR")
        width, height = address.size_px
        return mmap.mmap(-1, size or HEAD_BYTES + width * height * 3 + ACTION_BYTES, tagname=name)
    path = Path(address.folder) / name
    try:
        with path.open("r+b") as file:
            return mmap.mmap(file.fileno(), 0)
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
            self._beat()

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
        if self._map.flag != TERMINATED:
            self._map.flag = TERMINATED
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
        self._dropped: str | None = None
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
        if self._ended:
            self._map.flag = RESET
        else:
            self._map.write_action(action)
        self.counters.actions_sent += 1
        return True

    def rehearse(self, action: Action) -> None:
        """Nothing: a game in lock-step waits for its answer."""

    def drop(self, reason: str) -> None:
        """Close the map; it is opened anew."""
        self._dropped = reason

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
            if shared.flag != TERMINATED:
                shared.flag = TERMINATED
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
                await asyncio.sleep(0 if looks < 200 else 0.001)
                continue
            looks = 0
            self._deliver(shared, step)
        raise LinkError(f"{self.endpoint}: {self._dropped}")

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
