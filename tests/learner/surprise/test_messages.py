"""Messages about a world come back as they went, among the learner's others."""

from __future__ import annotations

from msgspec.msgpack import encode

from agent.concurrency.frames import decoder_of
from agent.learner.messages import Call
from agent.learner.surprise.messages import Foresee, Foreseen, OpenWorld, WorldOpened


def test_messages_come_back() -> None:
    for message in (OpenWorld(path="w"), Foresee(game=1, values=[0.5], is_first=True)):
        assert decoder_of(Call).decode(encode(message)) == message
    for answer in (
        Foreseen(surprise=0.25),
        WorldOpened(controls=[("a", "key", 0)], size_px=64, dt_s=0.1, length=4, place="cpu"),
    ):
        assert decoder_of(type(answer)).decode(encode(answer)) == answer
