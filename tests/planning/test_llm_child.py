"""The child answers both kinds of message; `test_llm` talks to the process itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from agent.planning.llm_child import answered
from agent.planning.messages import Ask, Look, Seen, Told
from tests.planning.test_backends import SCHEMA, server_at
from tools.bench.planner.stand_in import StandIn


@pytest.fixture
def port() -> Iterator[int]:
    """A stand-in's port, on a thread with a loop of its own."""
    server, loop = StandIn(), asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield server.port
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_it_looks_and_asks(port: int) -> None:
    seen, _ = answered(Look(server=server_at(port), within_s=5.0), b"")
    assert isinstance(seen, Seen) and seen.models
    ask = Ask(
        server=server_at(port), system="s", prompt="4. x", schema=SCHEMA, think="omit", total_s=5.0, silence_s=5.0,
        max_bytes=9999,
    )  # fmt: skip
    told, payload = answered(ask, b"")
    assert isinstance(told, Told) and told.content == '{"plan": [4]}' and payload == b""
