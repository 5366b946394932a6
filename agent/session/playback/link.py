"""A recording behind the interface of a connection: its packets come at their pace, and what is sent goes nowhere.

`seek`, `step`, `pause` and `speed` are for whoever watches; they are called on the event loop. Owns no socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from agent.core.clock import Clock
from agent.core.types import Action
from agent.link.accounting import LinkCounters
from agent.link.bonklink import PacketListener
from agent.link.recorded import RecordedAddress
from agent.session.playback.tape import Cut, Item, Tape

AHEAD: Final = 64
"""Records that are read together, on a thread."""
MIN_SPEED, MAX_SPEED = 0.01, 100.0
END: Final = "the recording's end"


class PlaybackLink:
    """One game of a recording. `ended` is set when its last packet has been answered, or was not wanted in time."""

    def __init__(self, address: RecordedAddress, listener: PacketListener, clock: Clock) -> None:
        self.endpoint = address
        self.listener = listener
        self.counters = LinkCounters()
        self.last_error: str | None = None
        self.is_up = False
        self.tape: Tape | None = None
        self.position = 0
        self.ended = asyncio.Event()
        self._clock = clock
        self._speed = 1.0
        self._answered = asyncio.Event()
        self._changed = asyncio.Event()
        self._playing = asyncio.Event()
        self._playing.set()
        self._steps = 0
        self._mark: tuple[float, float] | None = None
        self._sought: int | None = None

    # --- what a connection does ------------------------------------------------------------------------------

    def send(self, action: Action) -> bool:
        """Take an action; nothing comes of it."""
        self.counters.actions_sent += 1
        self._answered.set()
        return True

    def rehearse(self, action: Action) -> None:
        """Nothing: no game waits."""

    def drop(self, reason: str) -> None:
        """Nothing: a file stays open."""

    def close(self) -> None:
        """Nothing is held."""

    async def run(self) -> None:
        """Play to the end, and wait there for a seek; ends by cancellation. Raises RecordingError at damage."""
        endpoint = self.endpoint
        tape = self.tape = await asyncio.to_thread(lambda: Tape(endpoint.path, endpoint.game))
        self.counters.connects += 1
        self._begin_again()
        while True:
            self._sought = None
            await self._play_from(tape, self.position)
            if self._sought is None:
                self.ended.set()
                await self._changed.wait()
            self._changed.clear()
            if self._sought is not None:
                self.ended.clear()
                self.position = self._sought
                self._cut("another place was sought")

    async def _play_from(self, tape: Tape, index: int) -> None:
        self._mark = None
        items: Iterator[Item] = tape.items(index)
        while self._sought is None:
            taken = await asyncio.to_thread(lambda: list(islice(items, AHEAD)))
            for item in taken:
                if isinstance(item, Cut):
                    self._cut(item.reason)
                    continue
                await self._wait_for(item.at_s)
                if self._sought is not None:
                    return
                await self._deliver(item)
            if len(taken) < AHEAD:
                return

    async def _deliver(self, item: Any) -> None:
        self._answered.clear()
        self.position = item.index + 1
        self.counters.packets += 1
        self.counters.frames += bool(item.packet.frame)
        self.counters.bytes_received += len(item.packet.state_bytes) + len(item.packet.frame)
        self.listener.on_packet(item.packet, self._clock.now_s())
        if self.endpoint.fast:
            await self._answered.wait()

    def _begin_again(self) -> None:
        self.is_up = True
        self.listener.on_up()

    def _cut(self, reason: str) -> None:
        """What follows does not go on from what was: an episode begins."""
        self.is_up = False
        self.listener.on_down(reason)
        self._begin_again()

    async def _wait_for(self, at_s: float) -> None:
        """Wait until a packet's time has come, by the speed; while paused, for a step or the end of the pause."""
        while self._sought is None:
            if not self._playing.is_set():
                self._mark = None
                if self._steps:
                    self._steps -= 1
                    return
                await self._changed.wait()
                self._changed.clear()
                continue
            if self.endpoint.fast:
                return
            now_s = self._clock.now_s()
            if self._mark is None:
                self._mark = now_s, at_s
            due_s = self._mark[0] + (at_s - self._mark[1]) / self._speed
            if due_s <= now_s:
                return
            await self._sleep_until(due_s)

    async def _sleep_until(self, due_s: float) -> None:
        """Sleep, but for a seek, a pause or another speed."""
        sleeping = asyncio.ensure_future(self._clock.sleep_until(due_s))
        changing = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({sleeping, changing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            changing.cancel()
        if self._sought is None:
            self._changed.clear()

    # --- what a viewer does ----------------------------------------------------------------------------------

    @property
    def is_paused(self) -> bool:
        """True while packets come by `step` alone."""
        return not self._playing.is_set()

    @property
    def speed(self) -> float:
        """How many times as fast as recorded."""
        return self._speed

    def set_speed(self, times: float) -> None:
        """Play so many times as fast from now on; raises ValueError outside MIN_SPEED … MAX_SPEED."""
        if not MIN_SPEED <= times <= MAX_SPEED:
            raise ValueError(f"speed {times:g}: between {MIN_SPEED:g} and {MAX_SPEED:g}")
        self._speed, self._mark = times, None
        self._changed.set()

    def pause(self) -> None:
        """Stand still."""
        self._playing.clear()
        self._changed.set()

    def resume(self) -> None:
        """Go on."""
        self._steps = 0
        self._playing.set()
        self._changed.set()

    def step(self, packets: int = 1) -> None:
        """Let so many packets come, and stand still after them."""
        self._playing.clear()
        self._steps += packets
        self._changed.set()

    def seek(self, seconds: float) -> None:
        """Go on from so many seconds after the first packet; what is remembered of the game begins anew there."""
        if self.tape is not None:
            self._sought = self.tape.index_at(max(0.0, seconds))
            self._answered.set()
            self._changed.set()

    def status(self) -> dict[str, Any]:
        """Where it stands."""
        tape = self.tape
        return {
            "position": self.position, "packets": len(tape) if tape is not None else 0,
            "at_s": round(tape.time_of(self.position - 1), 3) if tape is not None else 0.0,
            "length_s": round(tape.length_s, 3) if tape is not None else 0.0,
            "speed": self._speed, "paused": self.is_paused, "ended": self.ended.is_set(),
        }  # fmt: skip
