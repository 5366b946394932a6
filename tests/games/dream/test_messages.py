"""Messages of a dream's process come back as they went."""

from __future__ import annotations

from msgspec.msgpack import encode

from agent.concurrency.frames import decoder_of
from agent.games.dream.messages import Asked, DreamControl, Open, Opened, Step


def test_messages_come_back() -> None:
    step = Step(number=3, values=[0.5, 1.0])
    assert decoder_of(Asked).decode(encode(step)) == step and decoder_of(Asked).decode(encode(Open())) == Open()
    opened = Opened(controls=[DreamControl("jump", "key")], size_px=64, dt_s=0.1, has_outcomes=False)
    assert decoder_of(Opened).decode(encode(opened)) == opened
