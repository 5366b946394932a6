"""What is said to the process that reads recordings survives the pipe."""

from __future__ import annotations

import msgspec
import pytest

from agent.http.recordings.messages import At, Call, ListRecordings, Overview


@pytest.mark.parametrize(
    "call", [ListRecordings(folder="/a"), Overview(path="/a", game=1), At(path="/a", game=0, seconds=1.5)]
)
def test_each_call_is_told_from_the_others(call: msgspec.Struct) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(call), type=Call) == call
