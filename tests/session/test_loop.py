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
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] if sys.platform != "win32" else [])
def test_a_signal_stops_and_afterwards_what_answered_it_before_does_again(number: signal.Signals) -> None:
    def answer(number: int, frame: object) -> None: ...

    async def main() -> bool:
        stop, told = asyncio.Event(), list[int]()
        with stopping_on_signals(lambda number: (told.append(number), stop.set())):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(stop.wait(), 60)
        assert told == [number]
        assert signal.getsignal(number) is answer
        return asyncio.get_running_loop().remove_signal_handler(number)

    before = signal.signal(number, answer)
    try:
        assert asyncio.run(main()) is False
    finally:
        signal.signal(number, before)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP")
def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    async def main() -> None:
        with stopping_on_signals(lambda number: pytest.fail("stopped")):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.01)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGHUP, before)
