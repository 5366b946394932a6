"""The game's side of BonkLink: one game, one port, all clients watch and one plays.

Owns the socket and the pace; the game owns its rules. Measures from the game's side how soon each packet is
answered (BLX1 sequence out, ACX1 claim back).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog
from hdrh.histogram import HdrHistogram

from agent.core.clock import Clock
from agent.core.errors import GameError, ProtocolError
from agent.core.types import TAKEOVER_S, Action, ByteArray, GameState, HumanInput, RunInfo
from agent.games.contract import HostedGame
from agent.games.hands import Hands, Ownership
from agent.games.options import FrameFormat, Mode
from agent.link.imaging import encode_jpeg, encode_raw
from agent.link.wire import ActionDecoder, encode_packet

if TYPE_CHECKING:
    from agent.games.recording import HostRecorder

_EMPTY_RUN = RunInfo(0, 0, (0, 0), (0, 0), False, False, False, 0, 0.0, 0, 0, 0.0, 0.0, 0, 0.0)
_REMEMBERED_PACKETS = 512
_MOST_CLIENTS = 16
log = structlog.get_logger(__name__)


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve: `frame_hz` pictures a second, the other packets carry the state alone."""

    port: int = 5560
    mode: Mode = "real-time"
    frame_format: FrameFormat = "jpeg"
    frame_hz: float = 10.0
    jpeg_quality: int = 75
    ticks: int | None = None


class ServerReport(msgspec.Struct):
    """What the game's side counted; latencies are from a packet's sending to the action that claims it."""

    ticks: int = 0
    ticks_skipped: int = 0
    clients: int = 0
    packets: int = 0
    packets_dropped: int = 0
    actions: int = 0
    answered: int = 0
    oversized: int = 0
    malformed: int = 0
    human_ticks: int = 0


class _Carried(NamedTuple):
    """What packets that nobody took would have said; the next one says it. Of several ends the first one counts."""

    reward: float = 0.0
    ended: bool = False
    won: bool = False
    truncated: bool = False


_NOTHING = _Carried()


def _carry(before: _Carried, run: RunInfo) -> _Carried:
    return _Carried(
        before.reward + run.reward,
        before.ended or run.run_ended,
        before.won or run.run_won,
        before.truncated if before.ended else run.run_truncated,
    )


class _Client(asyncio.Protocol):
    """One connection; hands its actions to the server."""

    def __init__(self, server: GameServer) -> None:
        self._server = server
        self._decoder = ActionDecoder()
        self.transport: asyncio.Transport | None = None
        self.carried = _NOTHING
        self.claims_seen = False
        self.told_to_wait = False
        self.told_ticks = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._server.adopt(self)

    def data_received(self, data: bytes) -> None:
        try:
            actions = self._decoder.feed(data)
        except ProtocolError as error:
            log.warning("bad_client", reason=str(error))
            self.end()
            return
        report = self._server.report
        report.oversized += self._decoder.oversized
        report.malformed += self._decoder.malformed
        self._decoder.oversized = self._decoder.malformed = 0
        for action in actions:
            self._server.receive(self, action)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)

    def end(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """True when everything that was written has left."""
        transport = self.transport
        return transport is not None and not transport.is_closing() and transport.get_write_buffer_size() == 0


class GameServer:
    """Serves one game until cancelled, or for `options.ticks` ticks."""

    def __init__(
        self,
        game: HostedGame,
        options: ServerOptions,
        clock: Clock,
        *,
        human: Callable[[], tuple[Action, HumanInput] | None] = lambda: None,
        on_frame: Callable[[Any], None] | None = None,
        recorder: HostRecorder | None = None,
    ) -> None:
        """human: what a person at the game does in this tick; it goes before any client's until they let go for long.

        A person plays as well while no client does. on_frame: told every picture. recorder: writes down every tick.
        """
        self.game = game
        self.options = options
        self.report = ServerReport()
        self.port = 0
        self._clock = clock
        self._human = human
        self._on_frame = on_frame
        self._recorder = recorder
        self._recorded_ticks = -1
        self._clients: list[_Client] = []
        self._ownership = Ownership()
        self._acted = False
        self._arrived = asyncio.Event()
        self._answered = asyncio.Event()
        self._hands = Hands(game.tick_s)
        self._pressed_s = float("-inf")
        self._sequence = 0
        self._sent_s: dict[int, float] = {}
        self._carried = _NOTHING
        self._histogram = HdrHistogram(1, 60_000_000, 3)
        self._frame_every = max(1, round(1.0 / (game.tick_s * options.frame_hz))) if options.frame_hz > 0 else 0

    # --- clients ---------------------------------------------------------------------------------------------

    def adopt(self, client: _Client) -> None:
        """A new client watches until it acts. Of too many, the oldest that does not play goes."""
        if len(self._clients) >= _MOST_CLIENTS:
            surplus = next(c for c in self._clients if c is not self._ownership.owner)
            log.warning("too_many_clients", limit=_MOST_CLIENTS)
            self.forget(surplus)
            surplus.end()
        client.carried, self._carried = self._carried, _NOTHING
        self._clients.append(client)
        self.report.clients += 1
        self._arrived.set()
        if self._ownership.owner is None:
            self._answered.set()
        elif self.options.mode == "lock-step":
            self._deliver(client, self.game.state(), b"")

    def forget(self, client: _Client) -> None:
        """The client is gone, and nothing of it lingers."""
        if client not in self._clients:
            return
        self._clients.remove(client)
        if not self._clients:
            self._arrived.clear()
            self._carried = client.carried if self.options.mode == "lock-step" else _NOTHING
        if self._ownership.leave(client):
            self._change_hands()
        if self._ownership.owner is None:
            self._answered.set()

    def _change_hands(self) -> None:
        self._hands.clear()
        self._sent_s.clear()
        self._acted = False

    def receive(self, client: _Client, action: Action) -> None:
        """One action of a client; only those of the one that plays count."""
        if client not in self._clients:
            return
        before = self._ownership.owner
        if not self._ownership.claim(client, self._clock.now_s()):
            if not client.told_to_wait:
                client.told_to_wait = True
                log.warning("another_client_plays", do="its actions count when the other one leaves")
            return
        if before is not None and before is not client:
            self._change_hands()
        self.report.actions += 1
        self._hands.receive(action, self._now_s())
        if action.answers is not None:
            client.claims_seen = True
            sent_s = self._sent_s.pop(action.answers, None)
            if sent_s is not None:
                self.report.answered += 1
                self._histogram.record_value(max(1, round((self._clock.now_s() - sent_s) * 1e6)))
        if action.answers == self._sequence or not client.claims_seen:
            self._acted = True
            self._answered.set()

    def _now_s(self) -> float:
        """Real time, or the game's own time where the pace is not real."""
        return self._clock.now_s() if self.options.mode == "real-time" else self._sequence * self.game.tick_s

    # --- the pace --------------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[int], None] = lambda port: None) -> None:
        """Listen, tell `ready` the port, and play until cancelled; raises GameError where the port is taken."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: _Client(self), "127.0.0.1", self.options.port)
        except OSError as error:
            raise GameError(f"port {self.options.port}: {error.strerror or error}; choose another --port") from error
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            ready(self.port)
            try:
                pace = {"real-time": self._real_time, "lock-step": self._lock_step, "fast": self._fast}
                await pace[self.options.mode]()
            finally:
                for client in list(self._clients):
                    client.end()

    def _is_done(self) -> bool:
        return self.options.ticks is not None and self.report.ticks >= self.options.ticks

    async def _real_time(self) -> None:
        tick_s = self.game.tick_s
        due_s = self._clock.now_s()
        while not self._is_done():
            due_s += tick_s
            await self._clock.sleep_until(due_s)
            late = int((self._clock.now_s() - due_s) / tick_s)
            if late > 0:
                self.report.ticks_skipped += late
                due_s += late * tick_s
            self._tick()

    async def _lock_step(self) -> None:
        while not self._is_done():
            await self._arrived.wait()
            self._answered.clear()
            self._acted = False
            self._send()
            await self._answered.wait()
            if self._acted:
                self._advance()

    async def _fast(self) -> None:
        while not self._is_done():
            self._tick()
            await asyncio.sleep(0)

    def _tick(self) -> None:
        self._advance()
        self._send()

    def _advance(self) -> None:
        now_s, played = self._now_s(), self._human()
        action, by_human = self._hands.take(now_s), False
        if played is not None:
            if played[1].is_pressed:
                self._pressed_s = now_s
            by_human = self._ownership.owner is None or now_s - self._pressed_s <= TAKEOVER_S
            action = played[0] if by_human else action
            self.report.human_ticks += by_human
        if self._recorder is not None:
            self._recorder.on_action(action, by_human=by_human)
        self.game.tick(action)
        self._human_input = played[1] if played is not None else None
        self.report.ticks += 1

    # --- packets ---------------------------------------------------------------------------------------------

    def _send(self) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        framed = self._frame_every > 0 and self._sequence % self._frame_every == 0
        drawn_us = self._time_us()
        is_seen = self._clients or self._on_frame is not None or self._recorder is not None
        pixels = self.game.render() if framed and is_seen else None
        if self._on_frame is not None and pixels is not None:
            self._on_frame(pixels)
        if not self._clients and self.options.mode != "lock-step" and self._recorder is None:
            self._carried = _NOTHING
            return
        self._drawn_us = drawn_us if pixels is not None else 0
        state = self.game.state()
        if not self._clients and self.options.mode == "lock-step":
            self.report.packets_dropped += 1
            self._carried = _carry(self._carried, state.run or _EMPTY_RUN)
        elif not self._clients:
            self._carried = _NOTHING
        is_wanted = self._recorder is not None or any(client.is_idle for client in self._clients)
        frame = self._frame(pixels) if is_wanted else b""
        if self._recorder is not None and self._recorded_ticks != self.report.ticks:
            self._recorded_ticks = self.report.ticks
            self._recorder.on_packet(self._stamp(state, _NOTHING), frame)
        for client in list(self._clients):
            self._deliver(client, state, frame)
        self._sent_s[self._sequence] = self._clock.now_s()
        if len(self._sent_s) > _REMEMBERED_PACKETS:
            del self._sent_s[next(iter(self._sent_s))]

    def _frame(self, pixels: ByteArray | None) -> bytes:
        if pixels is None:
            return b""
        if self.options.frame_format == "raw_rgb":
            return encode_raw(pixels, top_down=True)
        return encode_jpeg(pixels, self.options.jpeg_quality)

    def _deliver(self, client: _Client, state: GameState, frame: bytes) -> None:
        """Send one client the state, with what it was not told before."""
        if client.told_ticks == self.report.ticks and state.run is not None:
            again = msgspec.structs.replace(state.run, reward=0.0, run_ended=False, run_won=False, run_truncated=False)
            state = msgspec.structs.replace(state, run=again)
        client.told_ticks = self.report.ticks
        if not client.is_idle or client.transport is None:
            self.report.packets_dropped += 1
            client.carried = _carry(client.carried, state.run or _EMPTY_RUN)
            return
        stamped = self._stamp(state, client.carried)
        client.carried = _NOTHING
        client.transport.write(encode_packet(stamped, frame))
        self.report.packets += 1

    _human_input: HumanInput | None = None

    _drawn_us = 0

    def _time_us(self) -> int:
        """Now on the clock of the packets: simulated time where ticks do not follow the clock."""
        real = self.options.mode == "real-time"
        return round((self._clock.now_s() if real else self._sequence * self.game.tick_s) * 1e6)

    def _stamp(self, state: GameState, before: _Carried) -> GameState:
        """Add what only the server knows, and what dropped packets would have said."""
        run = state.run or _EMPTY_RUN
        told = _carry(before, run)
        size = self.game.capture_size_px
        stamped = msgspec.structs.replace(
            run,
            sequence=self._sequence,
            capture_time_us=self._time_us(),
            frame_time_us=self._drawn_us,
            capture_size_px=size,
            screen_size_px=size,
            rows_top_down=True,
            run_ended=told.ended,
            run_won=told.won,
            run_truncated=told.truncated,
            reward=told.reward,
        )
        return msgspec.structs.replace(state, run=stamped, human=self._human_input)

    def summary(self) -> dict[str, Any]:
        """The report's counts with percentiles in milliseconds, as plain values."""
        values: dict[str, Any] = msgspec.to_builtins(self.report)
        if self._histogram.get_total_count():
            for share in (50, 90, 99):
                values[f"p{share}_latency_ms"] = self._histogram.get_value_at_percentile(share) / 1e3
            values["max_latency_ms"] = self._histogram.get_max_value() / 1e3
        return values
