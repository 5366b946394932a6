"""What the requests under way hold together is counted in bytes, and no more is taken than may be held."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.core.errors import RequestError
from agent.http.decoding import Memory
from tests.http.api_side import WRITES, api


def test_what_a_request_holds_is_given_back_however_it_ends() -> None:
    memory = Memory(100)
    with memory.request() as one, memory.request() as other:
        one.hold(80)
        with pytest.raises(RequestError, match="at most") as refused:
            other.hold(21)
        assert refused.value.status == 503
        one.hold(10)
        other.hold(21)
        assert memory.held_bytes == 31
    with pytest.raises(ValueError, match="x"), memory.request() as one:
        one.hold(100)
        raise ValueError("x")
    assert memory.held_bytes == 0


def test_bodies_that_are_too_much_together_are_refused_before_they_come_and_small_ones_served(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with api(tmp_path) as side:
            side.decoder.memory.max_bytes = 40 << 20
            head = "".join(f"{k}: {v}\r\n" for k, v in WRITES.items()) + f"Host: 127.0.0.1:{side.port}\r\n"
            replies, writers = [], []
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", side.port)
                writer.write(f"POST /push_rollout HTTP/1.1\r\n{head}Content-Length: {30 << 20}\r\n\r\n{{".encode())
                writers.append(writer)
                replies.append(asyncio.ensure_future(reader.readline()))
                while side.decoder.memory.held_bytes < 30 << 20:
                    await asyncio.sleep(0.001)
            assert b" 503 " in await asyncio.wait_for(replies[1], 60) and not replies[0].done()
            async with side.http.post("/events", data=json.dumps({"event_type": "x"}), headers=WRITES) as reply:
                assert reply.status == 200
            for writer in writers:
                writer.close()
            async with asyncio.timeout(60):
                while side.decoder.memory.held_bytes:
                    await asyncio.sleep(0.001)

    asyncio.run(main())
