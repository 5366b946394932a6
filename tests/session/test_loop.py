"""The loop of a session: which one it is, and that a polite signal stops instead of killing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from agent.core.errors import AgentError
from agent.link.endpoint import Endpoint
from agent.session.loop import new_event_loop, stopping_on_signals


@pytest.mark.skipif(sys.platform == "win32", reason="there a pipe is opened")
def test_a_pipe_is_refused_off_windows() -> None:
    with pytest.raises(AgentError, match="Windows only"):
        new_event_loop((Endpoint("127.0.0.1", 5555), Endpoint(pipe="BonkLink")))


@pytest.mark.skipif(sys.platform == "win32", reason="winloop there")
def test_the_loop_is_uvloops() -> None:
    with asyncio.Runner(loop_factory=lambda: new_event_loop((Endpoint("127.0.0.1", 5555),))) as runner:
        assert type(runner.get_loop()).__module__.startswith("uvloop")


@pytest.mark.skipif(sys.platform == "win32", reason="loops take no signals there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_and_afterwards_the_handlers_are_gone(number: signal.Signals) -> None:
    async def main() -> bool:
        stop = asyncio.Event()
        with stopping_on_signals(stop.set):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(stop.wait(), 60)
        return asyncio.get_running_loop().remove_signal_handler(number)

    assert asyncio.run(main()) is False
