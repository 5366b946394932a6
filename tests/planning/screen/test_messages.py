"""What the reading process is told and tells back crosses the pipe as it is."""

from __future__ import annotations

import msgspec
import pytest

from agent.planning.screen.messages import Embed, Open, Opened, ReadPicture, Vectors, Word, Words


@pytest.mark.parametrize(
    "message",
    [Open(), Opened(engine="e", embeds=True), ReadPicture(boxes=((0, 1, 2, 3),), height_px=9, whole=True),
     Embed(texts=("a", "b")), Words(words=(Word("a", (1, 2, 3, 4), 0.5),), cpu_s=0.1), Vectors(size=384)],
)  # fmt: skip
def test_each_message_is_read_as_it_was_written(message: msgspec.Struct) -> None:
    packed = msgspec.msgpack.encode(message)
    assert msgspec.msgpack.decode(packed, type=type(message)) == message
