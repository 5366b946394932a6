"""The game's side of BonkLink: one game, one port, the newest client.

Owns the socket and the pace; the game owns its rules. Measures from the game's side how soon each packet is
answered (BLX1 sequence out, ACX1 claim back).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import structlog
from hdrh.histogram import HdrHistogram

from agent.core.clock import Clock
from agent.core.errors import GameError, ProtocolError
from agent.core.types import Action, GameState, HumanInput, RunInfo
from agent.games.contract import HostedGame
from agent.games.hands import Hands
from agent.games.options import FrameFormat, Mode
from agent.link.imaging import encode_jpeg, encode_raw
from agent.link.wire import ActionDecoder, encode_packet

_EMPTY_RUN = RunInfo(0, 0, (0, 0), (0, 0), False, False, False, 0, 0.0, 0, 0, 0.0, 0.0, 0, 0.0)
_REMEMBERED_PACKETS = 512
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


class _Carried(NamedTuple):
    """What packets that nobody took would have said; the next one says it. Of several ends the first one counts."""

    reward: float = 0.0
    ended: bool = False
    won: bool = False
    truncated: bool = False


_NOTHING = _Carried()


class _Client(asyncio.Protocol):
    """One connection; hands its actions to the server."""

    def __init__(self, server: GameServer) -> None:
        self._server = server
        self._decoder = ActionDecoder()
        self.transport: asyncio.Transport | None = None

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
    ) -> None:
        self.game = game
        self.options = options
        self.report = ServerReport()
        self.port = 0
        self._clock = clock
        self._human = human
        self._on_frame = on_frame
        self._client: _Client | None = None
        self._arrived = asyncio.Event()
        self._answered = asyncio.Event()
        self._hands = Hands(game.tick_s)
        self._sequence = 0
        self._claims_seen = False
        self._sent_s: dict[int, float] = {}
        self._carried = _NOTHING
        self._histogram = HdrHistogram(1, 60_000_000, 3)
        self._frame_every = max(1, round(1.0 / (game.tick_s * options.frame_hz))) if options.frame_hz > 0 else 0

    # --- clients ---------------------------------------------------------------------------------------------

    def adopt(self, client: _Client) -> None:
        """A new client replaces the old one, and nothing of the old one lingers."""
        if self._client is not None:
            self._client.end()
        self._client = client
        self._claims_seen = False
        self._hands.clear()
        self._sent_s.clear()
        self.report.clients += 1
        self._arrived.set()

    def forget(self, client: _Client) -> None:
        """The client is gone."""
        if self._client is client:
            self._client = None
            self._hands.clear()
            self._arrived.clear()
            self._answered.set()

    def receive(self, client: _Client, action: Action) -> None:
        """One action of a client; only the current client counts."""
        if client is not self._client:
            return
        self.report.actions += 1
        self._hands.receive(action, self._now_s())
        if action.answers is not None:
            self._claims_seen = True
            sent_s = self._sent_s.pop(action.answers, None)
            if sent_s is not None:
                self.report.answered += 1
                self._histogram.record_value(max(1, round((self._clock.now_s() - sent_s) * 1e6)))
        if action.answers == self._sequence or not self._claims_seen:
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
                if self._client is not None:
                    self._client.end()

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
            self._send()
            await self._answered.wait()
            if self._client is not None:
                self._advance()

    async def _fast(self) -> None:
        while not self._is_done():
            self._tick()
            await asyncio.sleep(0)

    def _tick(self) -> None:
        self._advance()
        self._send()

    def _advance(self) -> None:
        played = self._human()
        action = played[0] if played is not None else self._hands.take(self._now_s())
        self.game.tick(action)
        self._human_input = played[1] if played is not None else None
        self.report.ticks += 1

    # --- packets ---------------------------------------------------------------------------------------------

    def _send(self) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        framed = self._frame_every > 0 and self._sequence % self._frame_every == 0
        pixels = self.game.render() if framed and (self._client is not None or self._on_frame is not None) else None
        if self._on_frame is not None and pixels is not None:
            self._on_frame(pixels)
        if self._client is None and self.options.mode != "lock-step":
            self._carried = _NOTHING
            return
        state = self._stamp(self.game.state())
        client = self._client
        if client is None or not client.is_idle or client.transport is None:
            self.report.packets_dropped += 1
            run = state.run or _EMPTY_RUN
            self._carried = _Carried(run.reward, run.run_ended, run.run_won, run.run_truncated)
            return
        self._carried = _NOTHING
        frame = b""
        if pixels is not None:
            raw = self.options.frame_format == "raw_rgb"
            frame = encode_raw(pixels, top_down=True) if raw else encode_jpeg(pixels, self.options.jpeg_quality)
        data = encode_packet(state, frame)
        self._sent_s[self._sequence] = self._clock.now_s()
        if len(self._sent_s) > _REMEMBERED_PACKETS:
            del self._sent_s[next(iter(self._sent_s))]
        client.transport.write(data)
        self.report.packets += 1

    _human_input: HumanInput | None = None

    def _stamp(self, state: GameState) -> GameState:
        """Add what only the server knows, and what dropped packets would have said."""
        run = state.run or _EMPTY_RUN
        real = self.options.mode == "real-time"
        time_s = self._clock.now_s() if real else self._sequence * self.game.tick_s
        before = self._carried
        size = self.game.capture_size_px
        stamped = msgspec.structs.replace(
            run,
            sequence=self._sequence,
            capture_time_us=round(time_s * 1e6),
            capture_size_px=size,
            screen_size_px=size,
            rows_top_down=True,
            run_ended=run.run_ended or before.ended,
            run_won=run.run_won or before.won,
            run_truncated=before.truncated if before.ended else run.run_truncated,
            reward=run.reward + before.reward,
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
