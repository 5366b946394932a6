"""Of a picture only what changed is read; the rest stands as it was read before."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from agent.concurrency.frames import Message
from agent.core.clock import VirtualClock
from agent.core.errors import ChildGone
from agent.core.types import Frame
from agent.games.arena.game import ArenaGame
from agent.planning.screen.messages import Embed, Open, Opened, ReadPicture, Vectors
from agent.planning.screen.reader import ScreenReader
from tests.planning.menus.written import Written
from tools.bench.menus.played import InProcess


def _reading(game: ArenaGame) -> tuple[InProcess, ScreenReader]:
    caller = InProcess(Written(game))
    return caller, ScreenReader(caller, VirtualClock())


def _asked(caller: InProcess) -> list[ReadPicture]:
    return [m for m in caller.asked if isinstance(m, ReadPicture)]


def test_the_first_picture_is_read_whole_and_the_same_one_not_again() -> None:
    game = ArenaGame(capture_px=(640, 360))
    caller, reader = _reading(game)

    async def main() -> None:
        first = await reader.read(0, Frame(game.render(), 1.0, 1.0))
        again = await reader.read(0, Frame(game.render(), 2.0, 2.0))
        assert [e.text for e in again.elements] == [e.text for e in first.elements] != []
        assert first.captured_at_s == 1.0 and again.size_px == (640, 360)
        await reader.read(1, Frame(game.render(), 3.0, 3.0))
        await reader.read(0, Frame(game.render(), 4.0, 4.0), anew=True)

    asyncio.run(main())
    reader.close()
    assert [m.boxes for m in _asked(caller)] == [((0, 0, 640, 360),)] * 3 and all(m.whole for m in _asked(caller))
    assert reader.counts == {"screens": 4, "whole": 3, "parts": 0, "unchanged": 1}


def test_another_choice_reads_its_panel_alone_and_forgets_what_stood_there() -> None:
    game = ArenaGame(capture_px=(640, 360))
    caller, reader = _reading(game)

    async def main() -> tuple[list[str], list[str]]:
        game._open_characters()
        before = await reader.read(0, Frame(game.render(), 0.0, 0.0))
        game.character = 3
        game._open_characters()
        after = await reader.read(0, Frame(game.render(), 0.0, 0.0))
        return [e.text for e in before.elements], [e.text for e in after.elements]

    before, after = asyncio.run(main())
    reader.close()
    part = _asked(caller)[1]
    area = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in part.boxes)
    assert not part.whole and 0 < area < 0.5 * 640 * 360 and part.height_px == 360
    texts = [c["name"] for c in game.worlds.catalog.characters]
    assert before.count(texts[0]) == 2 and after.count(texts[0]) == 1 and after.count(texts[3]) == 2
    assert len(after) == len(before), "nothing is read twice"


def test_the_bytes_of_each_box_are_those_of_the_picture() -> None:
    seen: list[bytes] = []

    class Keeping(Written):
        def answered(self, message: Message, payload: bytes) -> Any:
            seen.append(payload)
            return super().answered(message, payload)

    game = ArenaGame(capture_px=(320, 180))
    caller = InProcess(Keeping(game))
    reader = ScreenReader(caller, VirtualClock())
    pixels = game.render()
    asyncio.run(reader.text_in(pixels, (100, 50, 140, 70)))
    reader.close()
    x0, y0, x1, y1 = _asked(caller)[0].boxes[0]
    assert (x0, y0, x1, y1) == (93, 43, 147, 77) and seen == [pixels[y0:y1, x0:x1].tobytes()]


def test_embeddings_are_asked_for_once_and_where_nothing_embeds_there_are_none() -> None:
    class Embeds:
        def answered(self, message: Message, payload: bytes) -> tuple[Message, bytes]:
            assert isinstance(message, Embed)
            rows = np.array([[len(t), message.is_goal] for t in message.texts], "<f4")
            return Vectors(size=2), rows.tobytes()

    caller = InProcess(Embeds())
    reader = ScreenReader(caller, VirtualClock())

    async def main() -> None:
        first = await reader.vectors(["a", "bbb", "a"])
        assert first is not None and first.tolist() == [[1, 0], [3, 0], [1, 0]] and len(caller.asked) == 1
        again = await reader.vectors(["bbb"])
        assert again is not None and again.tolist() == [[3, 0]] and len(caller.asked) == 1
        goal = await reader.vectors(["a"], is_goal=True)
        assert goal is not None and goal.tolist() == [[1, 1]]
        caller.reading = Written(ArenaGame(capture_px=(160, 90)))
        assert await reader.vectors(["new"]) is None

    asyncio.run(main())
    reader.close()


def test_what_reads_is_opened_once_and_a_dead_one_is_an_error() -> None:
    class Dead:
        def answered(self, message: Message, payload: bytes) -> Any:
            if isinstance(message, Open):
                return Opened(engine="e"), b""
            raise ChildGone("its process ended")

    caller = InProcess(Dead())
    reader = ScreenReader(caller, VirtualClock())

    async def main() -> None:
        assert (await reader.open()).engine == (await reader.open()).engine == "e" and len(caller.asked) == 1
        with pytest.raises(ChildGone):
            await reader.read(0, Frame(np.zeros((90, 160, 3), np.uint8), 0.0, 0.0))

    asyncio.run(main())
    reader.close()
    assert reader.status()["engine"] == "e"
