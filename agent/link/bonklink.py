"""The client's end of BonkLink: connect, read packets, write actions, reconnect for ever.

Knows nothing of policies. Owns the socket and its counters, and calls a `PacketListener` on the event loop.
A framing error is never resynchronised: the connection is dropped and made anew.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from typing import Protocol, cast

import msgspec

from agent.core.clock import Clock
from agent.core.errors import LinkClosed, LinkError, LinkRefused, LinkTimeout, ProtocolError
from agent.core.types import NEUTRAL, Action, Packet
from agent.link.accounting import LinkCounters
from agent.link.endpoint import Endpoint
from agent.link.wire import Limits, PacketDecoder, encode_action

_READ_BUFFER_BYTES = 1 << 18
_SEND_BUFFER_BYTES = 4096


class LinkPolicy(msgspec.Struct, frozen=True):
    """Deadlines of one connection, seconds.

    whole_packet_s: from a packet's first byte to its last. stall_s: unsent bytes older than this end the
    connection with RST, so that nothing stale is delivered later. silence_s: no byte at all for this long.
    gap_s: a suspended machine or a loop that stood still this long counts as a disconnection.
    """

    connect_s: float = 2.0
    whole_packet_s: float = 0.25
    stall_s: float = 1.0
    silence_s: float = 30.0
    gap_s: float = 1.0
    check_s: float = 0.05
    backoff_first_s: float = 0.05
    backoff_cap_loopback_s: float = 0.5
    backoff_cap_remote_s: float = 5.0


class PacketListener(Protocol):
    """Whoever wants the packets; called on the loop, must not block."""

    def on_up(self) -> None:
        """A connection stands; no packet has come yet."""
        ...

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        """One whole, valid packet."""
        ...

    def on_bad_packet(self, reason: str) -> None:
        """Bytes broke the wire format; the connection is about to end."""
        ...

    def on_down(self, reason: str) -> None:
        """The connection ended."""
        ...


class _Connection(asyncio.BufferedProtocol):
    """One connection's bytes; hands whole packets to the link, and says how it ended."""

    def __init__(self, link: BonkLink) -> None:
        self._link = link
        self._buffer = bytearray(_READ_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self.decoder = PacketDecoder(link.limits)
        self.transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[LinkError] = asyncio.get_running_loop().create_future()
        self.partial_since_s: float | None = None
        self.unsent_since_s: float | None = None
        self.last_byte_s = link.clock.now_s()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's and Proactor's transports have all of Transport's methods, without being one.
        self.transport = cast(asyncio.Transport, transport)
        # Without this uvloop keeps an action until the end of its turn, behind all that is done after sending.
        self.transport.set_write_buffer_limits(high=0)
        _tune(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        now_s = self.last_byte_s = self._link.clock.now_s()
        self._link.counters.bytes_received += nbytes
        try:
            packets = self.decoder.feed(self._view[:nbytes])
        except ProtocolError as error:
            self.end(error)
            return
        if not self.decoder.mid_packet:
            self.partial_since_s = None
        elif packets or self.partial_since_s is None:
            self.partial_since_s = now_s
        for packet in packets:
            self._link.deliver(packet, now_s)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lost.done():
            return
        if isinstance(exc, TimeoutError):
            self.lost.set_result(LinkTimeout(f"{self._link.endpoint}: the peer answers no more ({exc})"))
        else:
            self.lost.set_result(LinkClosed(f"{self._link.endpoint}: closed by the game{f' ({exc})' if exc else ''}"))

    def end(self, error: LinkError, *, farewell: bytes = b"", reset: bool = False) -> None:
        """End this connection for a reason of ours; `farewell` is written first where it can still go out."""
        if self.lost.done():
            return
        self.lost.set_result(error)
        if self.transport is None:
            return
        if reset:
            _linger_zero(self.transport)
        if farewell and not reset and self.transport.get_write_buffer_size() == 0:
            self.transport.write(farewell)
            self.transport.close()
        else:
            self.transport.abort()

    def write(self, data: bytes) -> bool:
        """Write unless older bytes still wait; True when the bytes were taken."""
        if self.lost.done() or self.transport is None or self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size() > 0:
            return False
        self.transport.write(data)
        return True


class BonkLink:
    """A self-healing connection to one game."""

    def __init__(
        self,
        endpoint: Endpoint,
        listener: PacketListener,
        clock: Clock,
        *,
        limits: Limits | None = None,
        policy: LinkPolicy | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.listener = listener
        self.clock = clock
        self.limits = limits or Limits()
        self.policy = policy or LinkPolicy()
        self.counters = LinkCounters()
        self.last_error: str | None = None
        self._rng = rng or random.Random()
        self._connection: _Connection | None = None
        self._failures = 0
        self._neutral = encode_action(NEUTRAL)

    @property
    def is_up(self) -> bool:
        """True while a connection stands."""
        return self._connection is not None and not self._connection.lost.done()

    def deliver(self, packet: Packet, received_at_s: float) -> None:
        """Count one packet and hand it on."""
        self._failures = 0
        self.counters.packets += 1
        if packet.frame:
            self.counters.frames += 1
        self.listener.on_packet(packet, received_at_s)

    def send(self, action: Action) -> bool:
        """Hand one action to the game; False when there is no connection or older bytes still wait."""
        connection = self._connection
        if connection is None or not connection.write(encode_action(action)):
            self.counters.actions_blocked += 1
            return False
        self.counters.actions_sent += 1
        return True

    def rehearse(self, action: Action) -> None:
        """Decode the newest state and encode one action, without an effect."""
        if self._connection is not None:
            self._connection.decoder.rehearse()
            encode_action(action)

    def drop(self, reason: str) -> None:
        """End the connection with a neutral action, as after a suspended machine; it is made anew."""
        if self._connection is not None:
            self._connection.end(LinkError(f"{self.endpoint}: {reason}"), farewell=self._neutral)

    def close(self) -> None:
        """Say goodbye with a neutral action; `run` must be cancelled by its owner."""
        self.drop("closed by the agent")

    async def run(self) -> None:
        """Connect, serve and reconnect with capped, jittered backoff; ends by cancellation only."""
        while True:
            error = await self._session()
            self.last_error = str(error)
            self._count(error)
            await self.clock.sleep_until(self.clock.now_s() + self._delay_s())
            self._failures = min(self._failures + 1, 16)

    def _delay_s(self) -> float:
        """Full jitter (Brooker, AWS 2015) below a cap that grows by 2 with each failure."""
        loopback = self.endpoint.is_loopback
        cap_s = self.policy.backoff_cap_loopback_s if loopback else self.policy.backoff_cap_remote_s
        return self._rng.uniform(0.0, min(cap_s, self.policy.backoff_first_s * 2**self._failures))

    def _count(self, error: LinkError) -> None:
        counters = self.counters
        if isinstance(error, ProtocolError):
            counters.corrupt += 1
            counters.corrupt_reasons[error.reason] = counters.corrupt_reasons.get(error.reason, 0) + 1
        elif isinstance(error, LinkTimeout):
            counters.timed_out += 1
        elif isinstance(error, LinkRefused):
            counters.refused += 1
        elif isinstance(error, LinkClosed):
            counters.closed += 1
        else:
            counters.dropped += 1

    async def _session(self) -> LinkError:
        """One connection from start to end; returns why it ended."""
        try:
            connection = await self._connect()
        except LinkError as failure:
            return failure
        self._connection = connection
        self.counters.connects += 1
        self.listener.on_up()
        try:
            await self._watch(connection)
            error = connection.lost.result()
        finally:
            self._connection = None
            if connection.transport is not None and not connection.transport.is_closing():
                connection.end(LinkError("stopped"), farewell=self._neutral)
        if isinstance(error, ProtocolError):
            self.listener.on_bad_packet(error.reason)
        self.listener.on_down(str(error))
        return error

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        connection = _Connection(self)
        try:
            async with asyncio.timeout(self.policy.connect_s):
                if self.endpoint.pipe is not None:
                    await _open_pipe(loop, connection, self.endpoint)
                else:
                    await loop.create_connection(lambda: connection, self.endpoint.host, self.endpoint.port)
        except TimeoutError as error:
            raise LinkTimeout(f"{self.endpoint}: no connection within {self.policy.connect_s} s") from error
        except ConnectionRefusedError as error:
            raise LinkRefused(f"{self.endpoint}: nobody listens there") from error
        except OSError as error:
            raise LinkRefused(f"{self.endpoint}: {error}") from error
        return connection

    async def _watch(self, connection: _Connection) -> None:
        """Hold the connection's deadlines until it ends."""
        checked_s = self.clock.now_s()
        suspended_s = self.clock.suspended_s()
        while not connection.lost.done():
            await asyncio.wait({connection.lost}, timeout=self.policy.check_s)
            now_s, asleep_s = self.clock.now_s(), self.clock.suspended_s()
            late_s = now_s - checked_s - self.policy.check_s
            if asleep_s - suspended_s > self.policy.gap_s or late_s > self.policy.gap_s:
                connection.end(LinkError("this machine stood still; starting afresh"), farewell=self._neutral)
                continue
            checked_s, suspended_s = now_s, asleep_s
            # A loop that was late has bytes waiting unread in the kernel: judge them only after the next read.
            if late_s < self.policy.whole_packet_s / 2:
                self._check(connection, now_s)

    def _check(self, connection: _Connection, now_s: float) -> None:
        policy = self.policy
        partial_s = connection.partial_since_s
        if partial_s is not None and now_s - partial_s > policy.whole_packet_s:
            connection.end(ProtocolError("slow_packet", f"not whole {policy.whole_packet_s} s after its first byte"))
        if connection.transport is not None and connection.transport.get_write_buffer_size() > 0:
            connection.unsent_since_s = connection.unsent_since_s or now_s
            if now_s - connection.unsent_since_s > policy.stall_s:
                connection.end(LinkTimeout(f"{self.endpoint}: takes no actions"), reset=True)
        else:
            connection.unsent_since_s = None
        if now_s - connection.last_byte_s > policy.silence_s:
            connection.end(LinkTimeout(f"{self.endpoint}: silent for {policy.silence_s} s"))


async def _open_pipe(loop: asyncio.AbstractEventLoop, connection: _Connection, endpoint: Endpoint) -> None:
    """Open a Windows named pipe; only the Proactor loop can, and the command line picks it for pipes."""
    opener = getattr(loop, "create_pipe_connection", None)
    if sys.platform != "win32" or opener is None:
        raise LinkRefused(f"{endpoint}: named pipes need Windows and its Proactor event loop")
    await opener(lambda: connection, endpoint.pipe_path)


def _tune(transport: asyncio.BaseTransport) -> None:
    """Small send buffer, no Nagle delay, and keepalive that finds a half-open peer within 8 s."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}
    for name, value in options.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _linger_zero(transport: asyncio.BaseTransport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        layout = "hh" if sys.platform == "win32" else "ii"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(layout, 1, 0))
