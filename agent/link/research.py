"""The client's end of ResearchPlugin: a game in lock-step over shared memory.

`ResearchClient` steps a game and blocks until it answered, `ResearchLink` is the same game behind the interface of
`BonkLink`. The map carries a picture, a reward and an end; no state of the game. Heartbeats tell the game that a client
that thinks for long is alive, and the client that a game that loads for long is.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

import numpy as np

from agent.core.clock import Clock
from agent.core.errors import LinkClosed, LinkError, LinkRefused, LinkTimeout, ProtocolError
from agent.core.types import Action, GameState, Packet, RunInfo
from agent.link.accounting import LinkCounters
from agent.link.bonklink import PacketListener
from agent.link.imaging import encode_raw
from agent.link.research_map import (
    OBSERVATION,
    RESET,
    RUNS_ON,
    TERMINATED,
    WAIT,
    GameWatch,
    ResearchAddress,
    ResearchMap,
    ResearchStep,
)

__all__ = ["ResearchAddress", "ResearchClient", "ResearchLink", "ResearchMap", "ResearchStep"]
BEAT_EVERY_S: Final = 0.1
LOOK_EVERY: Final = 100
"""After so many looks without an observation it is looked whether the game and the map's file are still there."""
OPEN_S: Final = 1.0
"""How long a map that was opened may take to show a heartbeat of its game."""
_OPEN_LOOK_S: Final = 0.02
_NO_ENEMIES = np.zeros((0, 4), np.float32)
_NO_ENEMIES.flags.writeable = False


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
        self._pause = threading.Event()
        self._map, self._watch = self._open(address)
        self._heart = _Heart(self._map.beat)

    def _open(self, address: ResearchAddress) -> tuple[ResearchMap, GameWatch]:
        """The map of a game that runs; raises LinkRefused where a killed game left it behind."""
        deadline_s = self._clock.now_s() + OPEN_S
        while self._clock.now_s() <= deadline_s:
            shared = ResearchMap(address)
            watch = GameWatch(shared, self._clock)
            while not watch.is_known and watch.is_same and self._clock.now_s() <= deadline_s:
                self._pause.wait(_OPEN_LOOK_S)
                watch.look()
            if watch.is_known:
                return shared, watch
            shared.close()
        raise _left_behind(address)

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
                self._watch.check()
                if self._clock.now_s() > deadline_s:
                    raise LinkTimeout(f"{shared.address}: no observation within {self._patience_s} s")
                if looks > 4096:
                    self._pause.wait(0.0002)
                else:
                    _give_way()

    def close(self) -> None:
        """Say goodbye; the game runs on at its own pace."""
        self._heart.stop()
        if self._watch.is_same:
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
        try:
            watch = await self._watch(shared)
        except BaseException:
            shared.close()
            raise
        heart = _Heart(shared.beat)
        self._map, self._owed, self._dropped = shared, False, None
        self.counters.connects += 1
        self.listener.on_up()
        try:
            shared.flag = RESET
            await self._serve(shared, watch)
        finally:
            self._map = None
            heart.stop()
            if watch.is_same:
                shared.leave()
            shared.close()

    async def _watch(self, shared: ResearchMap) -> GameWatch:
        """Wait for the game's first heartbeat: a killed game leaves its map behind."""
        watch = GameWatch(shared, self.clock)
        deadline_s = self.clock.now_s() + OPEN_S
        while not watch.is_known:
            if not watch.is_same or self.clock.now_s() > deadline_s:
                raise _left_behind(self.endpoint)
            await self.clock.sleep_until(self.clock.now_s() + _OPEN_LOOK_S)
            watch.look()
        return watch

    async def _serve(self, shared: ResearchMap, watch: GameWatch) -> None:
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
                    watch.check()
                    if flag == WAIT and shared.game_status == RUNS_ON:
                        # The game gave up what this client waits for, such as a new run while it boots.
                        shared.flag = RESET
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
        state = _state(self._sequence, step, shared.size_px, shared.picture_source)
        packet = Packet(state, encode_raw(step.pixels, top_down=True))
        self.counters.bytes_received += len(packet.frame)
        self.listener.on_packet(packet, self.clock.now_s())


def _left_behind(address: ResearchAddress) -> LinkRefused:
    return LinkRefused(f"{address}: the game that made this map does not run; a killed game leaves its map behind")


def _state(sequence: int, step: ResearchStep, size_px: tuple[int, int], picture_source: int) -> GameState:
    values: dict[str, Any] = {
        "sequence": sequence & 0xFFFFFFFF,
        "capture_time_us": step.time_ms * 1000,
        "frame_time_us": step.time_ms * 1000,
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
        "flags_reserved": picture_source << 4,
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
