"""The stream: its bytes, one slot for each client, who is dropped and why, and what is pressed through it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest

from agent.core.types import NEUTRAL, TAKEOVER_S
from agent.http.live import stream
from agent.http.live.stream import BAD_REQUEST, HOLD_S, TOO_SLOW, Client, Kind
from agent.link.imaging import decode_frame
from tests.http.api_side import TOKEN
from tests.http.live.side import LiveSide, live_side, receive

LIVE = "/api/v1/live"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def until(holds: Any) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)


def test_a_client_gets_hello_states_and_pictures_with_their_times() -> None:
    async def main() -> None:
        async with live_side() as side, side.http.ws_connect(LIVE, params={"fps": "30"}) as socket:
            kind, _, hello = await receive(socket)
            assert kind is Kind.HELLO and hello["games"] == ["game 0", "game 1"] and hello["may_write"] is False
            side.picture()
            seen: dict[Kind, Any] = {}
            while seen.keys() < {Kind.PICTURE, Kind.STATE}:
                kind, time_ns, body = await receive(socket)
                seen[kind] = time_ns, body
            time_ns, jpeg = seen[Kind.PICTURE]
            assert time_ns == round(1e9 * side.frames[0].captured_at_s) and decode_frame(jpeg).shape == (64, 64, 3)
            time_ns, values = seen[Kind.STATE]
            assert values["time_ns"] == time_ns and values["status"]["rss_mb"] == 1.0
            await socket.send_str('{"clock": 12.5}')
            while (message := await receive(socket))[0] is not Kind.CLOCK:
                pass
            assert message[2] == 12.5 and abs(message[1] - 1e9 * side.clock.now_s()) < 60e9

    asyncio.run(main())


def test_only_the_newest_waits_for_a_client_that_says_what_it_has_shown() -> None:
    async def main() -> None:
        async with live_side() as side, side.http.ws_connect(LIVE, params={"fps": "30"}) as socket:
            await receive(socket)
            await socket.send_str('{"ack": 0}')
            got = [await receive(socket)]  # one ahead of what it has shown
            await until(lambda: side.stream.clients and next(iter(side.stream.clients)).slots)
            (client,) = side.stream.clients
            for _ in range(12):
                side.picture()
                await asyncio.sleep(0.02)
            assert len(client.slots) <= 2 and client.sent <= 3, "nothing is queued behind a slot"
            newest_ns = round(1e9 * side.frames[0].captured_at_s)
            pictures: list[int] = []
            while newest_ns not in pictures:
                kind, time_ns, _ = await receive(socket)
                got.append((kind, time_ns, None))
                pictures += [time_ns] * (kind is Kind.PICTURE)
                await socket.send_str(json.dumps({"ack": len(got)}))
            assert len(pictures) <= 3, "those between were overwritten, not sent"

    asyncio.run(main())


def test_a_client_is_sent_no_more_than_it_asks_for() -> None:
    client = Client()
    client.fps = 10.0
    sent = [k for k in range(300) if (client.offer(Kind.PICTURE, k, b"", k * 0.02), client.slots.clear())[0] or
            client.seen[Kind.PICTURE] == k]  # fmt: skip
    assert 58 <= len(sent) <= 62, "six seconds at ten a second"


@pytest.mark.parametrize("acks", [True, False])
def test_a_client_that_does_not_read_is_dropped_with_a_reason(acks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_S", 0.3)

    async def main() -> None:
        async with live_side() as side, live_reader(side) as others:
            if acks:
                async with side.http.ws_connect(LIVE, params={"fps": "30"}) as socket:
                    await socket.send_str('{"ack": 0}')
                    await fill(side, lambda: side.stream.dropped)
                    while (got := await asyncio.wait_for(socket.receive(), 60)).type is aiohttp.WSMsgType.BINARY:
                        pass
                    assert (got.type, got.data) == (aiohttp.WSMsgType.CLOSE, TOO_SLOW) and "did not read" in got.extra
            else:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", int(side.address.rpartition(":")[2]), limit=1
                )
                head = f"GET {LIVE}?fps=30 HTTP/1.1\r\nHost: {side.address[7:]}\r\n"
                head += "Upgrade: websocket\r\nConnection: upgrade\r\n"
                key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                writer.write((head + key).encode())
                await fill(side, lambda: side.stream.dropped, px=512)
                writer.close()
            assert list(side.stream.dropped.items()) == [("it did not read for 0 s", 1)]
            await until(lambda: len(side.stream.clients) == 1)
            before = others[0]
            await until(lambda: others[0] > before + 3)  # the one that reads goes on
        assert not side.stream.clients

    asyncio.run(main())


@contextlib.asynccontextmanager
async def live_reader(side: LiveSide) -> Any:
    """A client that reads all; counts its messages."""
    count = [0]

    async def read(socket: aiohttp.ClientWebSocketResponse) -> None:
        async for _ in socket:
            count[0] += 1

    async with side.http.ws_connect(LIVE, params={"fps": "30"}) as socket:
        reading = asyncio.ensure_future(read(socket))
        yield count
        reading.cancel()


async def fill(side: LiveSide, enough: Any, px: int = 64) -> None:
    """Show pictures until it is enough."""
    async with asyncio.timeout(60):
        while not enough():
            side.picture(px=px)
            await asyncio.sleep(0.03)


@pytest.mark.parametrize(
    ("asked", "why"),
    [("[]", "not what is asked"), ('{"game": 7}', "game: 0 to 1"), ('{"takeover": {}}', "take over"),
     ('{"takeover": {"move": [9, 0]}}', "take over"), ("\x00", "not what is asked")],
)  # fmt: skip
def test_what_is_asked_wrongly_ends_the_stream_with_a_reason(asked: str, why: str) -> None:
    async def main() -> None:
        async with live_side() as side, side.http.ws_connect(LIVE) as socket:
            await socket.send_str(asked)
            while (got := await asyncio.wait_for(socket.receive(), 60)).type is not aiohttp.WSMsgType.CLOSE:
                assert got.type is aiohttp.WSMsgType.BINARY
            assert got.data == BAD_REQUEST and why in str(got.extra)
            assert not side.feeds[0].human.is_on(side.clock.now_s())

    asyncio.run(main())


def test_a_lost_connection_and_silence_release_every_key_in_time() -> None:
    async def main() -> None:
        async with live_side() as side:
            human, clock = side.feeds[1].human, side.clock
            async with side.http.ws_connect(LIVE, headers=BEARER) as socket:
                await socket.send_str('{"takeover": {"game": 1, "move": [0, 1], "fire": true}}')
                await until(lambda: human.is_on(clock.now_s()))
                pressed_s = clock.now_s()
                human.hold(clock.now_s())
                assert human.action(1).move == (0.0, 1.0)
                while human.action(1) != NEUTRAL.__class__(answers=1):
                    human.hold(clock.now_s())
                    await asyncio.sleep(0.002)
                assert HOLD_S - 0.05 < clock.now_s() - pressed_s < 0.25, "silence"
                await socket.send_str('{"takeover": {"game": 1, "look": [1, 0], "ability": true}}')
                await until(lambda: human.action(1).look == (1.0, 0.0))
                gone_s = clock.now_s()
            await until(lambda: human.action(1) == NEUTRAL.__class__(answers=1))
            assert clock.now_s() - gone_s < 0.25, "the connection ended"
            assert human.is_on(clock.now_s()) and not human.is_on(clock.now_s() + TAKEOVER_S + 0.1)

    asyncio.run(main())


def test_too_many_are_refused_and_a_plain_request_is_told_to_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_CLIENTS", 1)

    async def main() -> None:
        async with live_side() as side, side.http.ws_connect(LIVE):
            await until(lambda: side.stream.clients)
            async with side.http.get(LIVE) as reply:
                assert reply.status == 503
        async with live_side() as side:
            for query, status in (("", 426), ("?fps=x", 400), ("?game=x", 400), ("?game=5", 400)):
                async with side.http.get(LIVE + query) as reply:
                    assert reply.status == status, query

    asyncio.run(main())
