"""A picture is encoded once for all who watch it; one that cannot be shown is none."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from agent.core.errors import ImageError
from agent.core.types import Frame
from agent.http.live import pictures
from agent.http.live.pictures import LivePictures
from agent.link.imaging import decode_frame

FRAME = Frame(np.full((1080, 1920, 3), 90, np.uint8), 12.5, 12.6)


def test_it_is_made_once_shrunk_and_has_the_time_of_its_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    made, encode = [], pictures.encode_jpeg
    monkeypatch.setattr(pictures, "encode_jpeg", lambda pixels: made.append(pixels.shape) or encode(pixels))
    live = LivePictures({0: FRAME}.get)
    first, again, none = (asyncio.run(live.newest(game)) for game in (0, 0, 1))
    assert first is not None and first is again and none is None and len(made) == 1
    assert first.captured_ns == 12_500_000_000 and decode_frame(first.jpeg).shape == (720, 1280, 3)


def test_one_that_cannot_be_encoded_is_none_and_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(pixels: object) -> bytes:
        tried.append(pixels)
        raise ImageError("size")

    monkeypatch.setattr(pictures, "encode_jpeg", refuse)
    live = LivePictures({0: FRAME}.get)
    assert [asyncio.run(live.newest(0)) for _ in range(2)] == [None, None] and len(tried) == 1
