"""Children: calls are answered, a misspelt message is refused at either end, a child that ends or hangs is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import psutil
import pytest

from agent.concurrency import child as children
from agent.concurrency.child import Child
from agent.concurrency.frames import Message, decoder_of, read_frame, write_frame
from agent.concurrency.supervise import MAX_RESTARTS, Supervisor
from agent.core.clock import VirtualClock
from agent.core.errors import ChildGone, RequestError
from agent.http.messages import Decode
from agent.learner.messages import Call, Learn, Open
from tests.concurrency.echo_child import Allocate, End, Raise, Said, Say, Wait

MODULE = "tests.concurrency.echo_child"


def play(script: Callable[[Child], Awaitable[None]], **options: Any) -> Child:
    """Run a script with a child, then end the child."""
    child = Child("echo", MODULE, **options)

    async def main() -> None:
        try:
            await script(child)
        finally:
            child.close()

    asyncio.run(main())
    assert not child.is_up
    return child


def test_calls_are_answered_in_order_and_failures_are_said_with_their_status() -> None:
    async def script(child: Child) -> None:
        assert child.status() == {"up": False, "rss_mb": 0.0, "starts": 0, "waiting": 0}
        said, back = await child.call(Say(text="a"), Said, b"xyz")
        assert (said.text, said.heard, back) == ("a", 1, b"zyx") and said.pid == child.pid != os.getpid()
        answers = await asyncio.gather(*(child.call(Say(text=str(i)), Said) for i in range(8)))
        assert [answer.text for answer, _ in answers] == [str(i) for i in range(8)]
        for status, expected in ((0, 500), (409, 409)):
            with pytest.raises(RequestError, match="echo: (told to|not open)") as caught:
                await child.call(Raise(status=status), Said)
            assert caught.value.status == expected
        calls = [asyncio.ensure_future(child.call(Wait(seconds=0.01), Said)) for _ in range(8)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="8 calls wait already"):
            await child.call(Say(text="b"), Said)
        await asyncio.gather(*calls)
        status = child.status()
        assert status["up"] and status["rss_mb"] > 1 and (status["starts"], status["waiting"]) == (1, 0)

    child = play(script)
    with pytest.raises(ChildGone, match="the session ends"):
        asyncio.run(child.call(Say(text="c"), Said))


class Misspelt(Message, frozen=True, tag="Say"):
    txet: str


class Unknown(Message, frozen=True):
    text: str


def test_a_misspelt_key_or_an_unknown_message_is_refused_at_either_end() -> None:
    async def script(child: Child) -> None:
        for message, reason in (
            (Misspelt(txet="a"), "unknown field `txet`"),
            (Unknown(text="a"), "Invalid value 'Unknown'"),
        ):
            with pytest.raises(RequestError, match=reason):
                await child.call(message, Said)
        with pytest.raises(RequestError, match="its answer cannot be read"):
            await child.call(Say(text="a"), Say)
        assert (await child.call(Say(text="b"), Said))[0].text == "b"

    play(script)


@pytest.mark.parametrize(
    ("kind", "head", "wrong"),
    [
        (Call, {"type": "Learn", "polcy": "p"}, "unknown field `polcy`"),
        (Call, {"type": "Lern", "policy": "p"}, "Invalid value 'Lern'"),
        (Call, {"type": "Open", "policy_spec": {"nmae": "p"}}, "unknown field `nmae`"),
        (Call, {"type": "Open", "policy_spec": {"name": "p"}, "budget": {"ppo": {"lrr": 1}}}, "unknown field `lrr`"),
        (Decode, {"type": "Decode", "kind": "rolout", "content_type": ""}, "kind"),
    ],
)  # fmt: skip
def test_a_misspelt_key_of_a_message_to_the_learner_or_the_decoder_is_refused(kind: Any, head: Any, wrong: str) -> None:
    assert decoder_of(Call).decode(msgspec.msgpack.encode(Learn(policy="p"))) == Learn(policy="p")
    with pytest.raises(msgspec.ValidationError, match=wrong):
        decoder_of(kind).decode(msgspec.msgpack.encode(head))
    with pytest.raises(TypeError):
        Open(policy="p")  # type: ignore[call-arg]


def test_a_child_that_ends_fails_its_calls_and_the_next_one_starts_another() -> None:
    async def script(child: Child) -> None:
        await child.call(Say(text="a"), Said)
        calls = [asyncio.ensure_future(child.call(m, Said)) for m in (End(code=3), Say(text="b"))]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, ChildGone) and "ended with 3" in str(outcome)
        assert (await child.call(Say(text="c"), Said))[0].text == "c" and child.starts == 2

    play(script)


def test_a_child_that_hangs_is_ended_and_replaced() -> None:
    async def script(child: Child) -> None:
        await child.call(Say(text="a"), Said)
        with pytest.raises(ChildGone, match="no answer within 0 s"):
            await child.call(Wait(seconds=60.0), Said, timeout_s=0.05)
        assert (await child.call(Say(text="b"), Said))[0].text == "b" and child.starts == 2

    play(script)


def test_a_child_that_ends_too_often_is_parked_with_its_reason() -> None:
    supervisor = Supervisor(VirtualClock())

    async def script(child: Child) -> None:
        for _ in range(MAX_RESTARTS + 1):
            with pytest.raises(ChildGone):
                await asyncio.gather(*(child.call(End(code=1), Said) for _ in range(3)))
        assert supervisor.faults == {"echo": MAX_RESTARTS + 1}, "an end counts once, however many calls waited"
        with pytest.raises(RequestError, match="the echo is parked: failed 6 times in 10 min") as caught:
            await child.call(Say(text="a"), Said)
        assert caught.value.status == 503

    play(script, supervisor=supervisor)


@pytest.mark.skipif(sys.platform == "win32", reason="address spaces are bounded on POSIX alone")
def test_a_child_takes_no_more_memory_than_it_may_and_no_priority() -> None:
    async def script(child: Child) -> None:
        with pytest.raises(RequestError, match="more memory than is allowed") as caught:
            await child.call(Allocate(bytes=8 << 30), Said)
        assert caught.value.status == 413
        said, _ = await child.call(Say(text="a"), Said)
        assert psutil.Process(said.pid).nice() == min(19, psutil.Process().nice() + 10)

    play(script, arguments=["small"])


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_child_ends_when_its_parent_is_killed_even_while_it_works() -> None:
    code = f"""
import asyncio, sys
from agent.concurrency import child as children
from agent.concurrency.child import Child
from tests.concurrency.echo_child import Said, Say, Wait
async def main():
    child = Child("echo", "{MODULE}")
    said, _ = await child.call(Say(text="a"), Said)
    print("pid", said.pid, flush=True)
    await child.call(Wait(seconds=600.0), Said)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = next(int(line.split()[1]) for line in parent.stdout if line.startswith("pid"))
        child = psutil.Process(pid)
        parent.send_signal(signal.SIGKILL)
        psutil.wait_procs([child], timeout=240)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_pipe_that_ends_within_a_message_or_is_out_of_step_is_said(tmp_path: Any) -> None:
    path = tmp_path / "pipe"
    with path.open("wb") as file:
        write_frame(file, 7, Say(text="a"), b"payload")
    whole = path.read_bytes()
    with path.open("rb") as file:
        frame = read_frame(file)
        assert frame is not None and (frame.call, frame.payload) == (7, b"payload") and read_frame(file) is None
    for data, reason in ((whole[:-1], "within"), (whole[:5], "within"), (b"\xff" * 12, "out of step")):
        path.write_bytes(data)
        with path.open("rb") as file, pytest.raises(ChildGone, match=reason):
            read_frame(file)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
@pytest.mark.parametrize("payload_bytes", [0, 8 << 20])
def test_a_stopped_child_holds_up_nobody_also_where_its_pipe_is_full(
    payload_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "SILENT_S", 2.0)
    payload = bytes(payload_bytes)

    async def script(child: Child) -> None:
        for _ in range(2):
            said, _ = await child.call(Say(text="a"), Said)
            os.kill(said.pid, signal.SIGSTOP)
            if child.starts == 1:
                with pytest.raises(ChildGone, match="no sign of life for 2 s; its process was ended"):
                    await child.call(Say(text="b"), Said, payload)
        call = asyncio.ensure_future(child.call(Say(text="c"), Said, payload))
        await asyncio.sleep(0.2)
        start_s = time.monotonic()
        child.close()
        assert time.monotonic() - start_s < 5.0
        with pytest.raises(ChildGone):
            await call

    ended = threading.Thread(target=lambda: play(script), daemon=True)
    ended.start()
    ended.join(60.0)
    assert not ended.is_alive(), "closing waits for a child that does not read"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")
def test_a_machine_that_stood_still_for_longer_than_a_deadline_is_no_hang() -> None:
    async def script(child: Child) -> None:
        said, _ = await child.call(Say(text="a"), Said)
        call = asyncio.ensure_future(child.call(Say(text="b"), Said, timeout_s=1.0))
        os.kill(said.pid, signal.SIGSTOP)
        await asyncio.sleep(0.1)
        time.sleep(1.5)  # this process stood still as well
        os.kill(said.pid, signal.SIGCONT)
        assert (await call)[0].text == "b" and child.starts == 1

    play(script)


def test_a_child_that_is_busy_shows_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "SILENT_S", 3.0)

    async def script(child: Child) -> None:
        await child.call(Wait(seconds=4.0), Said)
        assert child.starts == 1

    play(script)
