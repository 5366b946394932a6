"""The messages between a session and the child go through the pipe as they are, and an unknown one is refused."""

from __future__ import annotations

import msgspec
import pytest

from agent.concurrency.frames import decoder_of
from agent.planning.messages import FAULTS, Ask, Look, Server, Told


def test_questions_and_answers_survive_the_pipe_and_are_told_apart() -> None:
    server = Server("openai", "http://here/v1", "m", "key")
    ask = Ask(server=server, system="s", prompt="p", schema=b"{}", think="low", total_s=1.0, silence_s=0.5, max_bytes=9)
    for message in (ask, Look(server=server, within_s=1.0)):
        assert decoder_of(Ask | Look).decode(msgspec.msgpack.encode(message)) == message
    with pytest.raises(msgspec.ValidationError):
        decoder_of(Ask | Look).decode(msgspec.msgpack.encode(Told()))
    assert len(set(FAULTS)) == len(FAULTS)
