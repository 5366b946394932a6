"""From packets to observations: the newest state joined with the newest frame, and nothing lost from the count.

A `Feed` belongs to one game. It owns no socket and no policy; the link calls it, `act` takes from it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Literal

import msgspec
import structlog

from agent.concurrency.lane import Lane
from agent.core.clock import TICK_S, Clock
from agent.core.errors import ImageError
from agent.core.latency import Cause, Latency, Stage
from agent.core.mailbox import Latest
from agent.core.types import Frame, GameState, Observation, Packet
from agent.link.accounting import PacketLedger, PacketOutcome
from agent.session.human.takeover import Takeover
from agent.session.pictures import Decode, DecodeBudget

LIFESPAN_FLOOR_S = 0.1
LIFESPAN_PERIODS = 3
REARM_PACKETS = 3
PICTURE_WAIT_S = 0.05

log = structlog.get_logger(__name__)


FrameTime = Literal["capture", "arrival"]
"""From when the age of a picture is counted."""


class _Picture(msgspec.Struct, frozen=True):
    """The bytes of a frame and what is needed to decode them; times in seconds, on this machine's clock."""

    data: bytes
    top_down: bool
    captured_at_s: float
    received_at_s: float


class _Pending(msgspec.Struct, frozen=True):
    """The newest packet that nobody has answered; its picture is kept apart, so that a newer state keeps it."""

    state: GameState
    received_at_s: float


class _RunEvents(msgspec.Struct):
    """What packets said that a later packet does not repeat: rewards, and the end of a run."""

    reward: float = 0.0
    ended: bool = False
    won: bool = False
    truncated: bool = False

    def add(self, reward: float, ended: bool, won: bool, truncated: bool = False) -> None:
        """Add what came later. Of several ends the first one is the episode's: it says whether a limit cut it."""
        self.reward += reward
        self.truncated |= ended and truncated and not self.ended
        self.ended |= ended
        self.won |= won


class Feed:
    """Everything that the agent knows of one game's stream.

    Rewards and ends of runs that arrive in superseded packets are added to the next observation, so that none is
    lost. With `real_time` false (a game in lock-step waits for each answer) nothing expires by age. `ready` is called
    when an observation is published. `link_changes` counts beginnings and ends of the connection. While `looks` is
    true, a packet with a picture waits until it is decoded, in real time `PICTURE_WAIT_S` at most; else pictures are
    decoded beside, for people to see. Pictures that cost too much are refused (`session.pictures`).
    """

    def __init__(
        self,
        game: int,
        name: str,
        clock: Clock,
        latency: Latency,
        ready: Callable[[], None],
        *,
        real_time: bool = True,
        looks: Callable[[], bool] = lambda: True,
    ) -> None:
        self.game = game
        self.name = name
        self.real_time = real_time
        self.ledger = PacketLedger()
        self.human = Takeover()
        self.latest_state: GameState | None = None
        self.latest_frame: Frame | None = None
        self.frames_refused: dict[str, int] = {}
        self.last_packet_s: float | None = None
        self.link_changes = 0
        self._ready = ready
        self._looks = looks
        self._clock = clock
        self._latency = latency
        self._inbox: Latest[_Pending | None] = Latest()
        self._waits = False
        self._is_late = False
        self._budget = DecodeBudget(clock)
        self._observation: tuple[Observation, float] | None = None
        self._intervals: deque[float] = deque(maxlen=31)
        self._period_s: float | None = None
        self._fresh_packets = REARM_PACKETS
        self._is_first = True
        self._events = _RunEvents()
        self._published = _RunEvents()
        self._picture: _Picture | None = None
        self._last_time_s: float | None = None
        self._said_old_plugin = False
        self.frame_time: FrameTime | None = None

    # --- what the link calls -------------------------------------------------------------------------------

    def on_up(self) -> None:
        """A connection stands: the next observation is a first one."""
        self._is_first = True
        self._fresh_packets = REARM_PACKETS
        self._events, self._published = _RunEvents(), _RunEvents()
        self._intervals.clear()
        self._period_s = None
        self.last_packet_s = None
        self.link_changes += 1

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        """Take one packet; an unanswered older one is superseded."""
        state = packet.state
        if self.last_packet_s is not None:
            interval_s = received_at_s - self.last_packet_s
            known = len(self._intervals) == self._intervals.maxlen
            if self.real_time and known and interval_s > 1.5 * self.period_s:
                self._latency.miss(Cause.NO_PACKET)
            self._intervals.append(interval_s)
            self._period_s = None
            self._latency.record(Stage.PACKET_INTERVAL, interval_s)
        self.last_packet_s = received_at_s
        self.latest_state = state
        self.human.on_state(state, received_at_s)
        self.ledger.receive()
        self._fresh_packets += 1
        if state.run is not None:
            run = state.run
            self._events.add(run.reward, run.run_ended, run.run_won, run.run_truncated)
        elif not self._said_old_plugin:
            self._said_old_plugin = True
            log.warning("old_plugin", game=self.name, note="no BLX1 trailer: rewards, time and latency are estimated")
        if packet.frame:
            self._picture = _picture(packet, received_at_s)
            self._note_frame_time(state.run is not None and state.run.frame_time_us > 0)
        if not self.is_armed:
            self.ledger.settle(PacketOutcome.EXPIRED)
            return
        pending = _Pending(state, received_at_s)
        if self._waits or (self._picture is not None and self._looks() and not self._is_late):
            self._waits = True
            if self._inbox.put(pending) is not None:
                self.ledger.settle(PacketOutcome.SUPERSEDED)
            return
        self._publish(pending)
        if self._picture is not None:
            self._inbox.put(None)

    def _note_frame_time(self, told: bool) -> None:
        """Remember from when a picture's age is counted, and say it once where the game does not tell."""
        if not told and self.frame_time != "arrival":
            log.warning("no_frame_time", game=self.name, note="this game does not say when it captured a picture:"
                        " latency counts from the picture's arrival")  # fmt: skip
        self.frame_time = "capture" if told else "arrival"

    def on_bad_packet(self, reason: str) -> None:
        """Count a packet that broke the format as received and rejected."""
        self.ledger.receive()
        self.ledger.settle(PacketOutcome.REJECTED)

    def on_down(self, reason: str) -> None:
        """Forget what waits: it can no longer be answered, and nobody holds a key of this connection."""
        self.human.end()
        if self._inbox.take() is not None:
            self.ledger.settle(PacketOutcome.EXPIRED)
        if self._observation is not None:
            self._observation = None
            self.ledger.settle(PacketOutcome.EXPIRED)
        self.link_changes += 1
        log.info("link_down", game=self.name, reason=reason)

    # --- what the stages use -------------------------------------------------------------------------------

    @property
    def period_s(self) -> float:
        """Median interval between packets, seconds; that of a game of 60 Hz until it is known."""
        if self._period_s is None:
            self._period_s = median(self._intervals) if len(self._intervals) >= 3 else TICK_S
        return self._period_s

    @property
    def looks(self) -> bool:
        """True while pictures may change an action."""
        return self._looks()

    @property
    def lifespan_s(self) -> float:
        """Age at which the newest packet no longer justifies an action."""
        return max(LIFESPAN_FLOOR_S, LIFESPAN_PERIODS * self.period_s)

    @property
    def is_armed(self) -> bool:
        """False until enough fresh packets have come in a row."""
        return not self.real_time or self._fresh_packets >= REARM_PACKETS

    def disarm(self) -> None:
        """Stop control until fresh packets come in a row; what waits expires."""
        self._fresh_packets = 0
        if self._inbox.take() is not None:
            self.ledger.settle(PacketOutcome.EXPIRED)
        self.drop_observation()

    def drop_observation(self) -> None:
        """Expire the observation that waits for a policy, if there is one."""
        if self._observation is not None:
            self._observation = None
            self.ledger.settle(PacketOutcome.EXPIRED)

    def take(self) -> tuple[Observation, float] | None:
        """The newest observation with the instant it was published, leaving none.

        What the observation carries (rewards, an end) is not carried again by the next one.
        """
        taken, self._observation = self._observation, None
        if taken is not None:
            observation = taken[0]
            self._last_time_s = _time_s(observation.state, observation.received_at_s)
            self._is_first = observation.is_last
            self._published = _RunEvents()
        return taken

    async def sense(self, decode: Decode, lane: Lane) -> None:
        """Decode pictures, and publish the packets that wait for one; ends by cancellation."""
        while True:
            pending = await self._inbox.get()
            self._waits = pending is not None
            decoding: asyncio.Task[None] | None = None
            if self._picture is not None:
                decoding = asyncio.ensure_future(self._decode(self._picture, decode, lane))
                if pending is None:
                    await self._finish(decoding)
                    continue
                try:
                    await self._wait_for(decoding)
                except BaseException:
                    decoding.cancel()
                    self.ledger.settle(PacketOutcome.EXPIRED)
                    raise
            if pending is None:
                continue
            is_late = decoding is not None and not decoding.done()
            newer = self._inbox.take() if is_late else None
            if newer is not None:
                self.ledger.settle(PacketOutcome.SUPERSEDED)
            if self.is_armed:
                self._publish(newer or pending)
            else:
                self.ledger.settle(PacketOutcome.EXPIRED)
            self._waits = False
            if decoding is not None and is_late:
                await self._finish(decoding)

    async def _finish(self, decoding: asyncio.Task[None]) -> None:
        """Let a picture that nobody waits for be decoded; meanwhile, in real time, no packet waits for pictures."""
        self._is_late = self.real_time
        try:
            await decoding
        finally:
            self._is_late = False
        if self._picture is not None:
            self._inbox.put(None)

    async def _wait_for(self, decoding: asyncio.Task[None]) -> None:
        """Wait until a picture is decoded: in real time not for long, the picture is then for a later observation."""
        if not self.real_time:
            await decoding
            return
        tired = asyncio.ensure_future(self._clock.sleep_until(self._clock.now_s() + PICTURE_WAIT_S))
        try:
            await asyncio.wait({decoding, tired}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tired.cancel()
        if decoding.done():
            decoding.result()

    def _publish(self, pending: _Pending) -> None:
        if self._observation is not None:
            self.ledger.settle(PacketOutcome.SUPERSEDED)
        self._observation = (self._join(pending), self._clock.now_s())
        self._ready()

    async def _decode(self, picture: _Picture, decode: Decode, lane: Lane) -> None:
        self._picture = None
        decode_it = partial(self._budget.decode, decode) if self.real_time else decode
        try:
            pixels = await lane.run(lambda: decode_it(picture.data, picture.top_down))
        except ImageError as error:
            self.frames_refused[error.reason] = self.frames_refused.get(error.reason, 0) + 1
            return
        self.latest_frame = Frame(pixels, picture.captured_at_s, picture.received_at_s)

    def _join(self, pending: _Pending) -> Observation:
        state, run = pending.state, pending.state.run
        carried = self._published
        carried.add(self._events.reward, self._events.ended, self._events.won, self._events.truncated)
        self._events = _RunEvents()
        time_s = _time_s(state, pending.received_at_s)
        elapsed_s = 0.0 if self._is_first or self._last_time_s is None else max(0.0, time_s - self._last_time_s)
        return Observation(
            game=self.game,
            state=state,
            frame=self.latest_frame,
            sequence=run.sequence if run is not None else None,
            elapsed_s=elapsed_s,
            received_at_s=pending.received_at_s,
            reward=carried.reward,
            is_first=self._is_first,
            is_last=carried.ended,
            is_terminal=carried.ended and not carried.truncated,
            is_won=carried.won,
        )


def _picture(packet: Packet, received_at_s: float) -> _Picture:
    run = packet.state.run
    if run is None:
        return _Picture(packet.frame, False, received_at_s, received_at_s)
    # The game's clock has another zero: it tells how old the picture was when its packet left.
    age_us = max(0, run.capture_time_us - run.frame_time_us) if run.frame_time_us else 0
    return _Picture(packet.frame, run.rows_top_down, received_at_s - age_us * 1e-6, received_at_s)


def _time_s(state: GameState, received_at_s: float) -> float:
    """The game's own time of a state: BLX1's capture time, or the arrival where there is none."""
    return state.run.capture_time_us * 1e-6 if state.run is not None else received_at_s
