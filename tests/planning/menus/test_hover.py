"""Icons are told by what appears under the mouse, pressed where the goal names them, and never where it is refused."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest

from agent.concurrency.frames import Message
from agent.core.types import Action, ByteArray, GameState, Pointer
from agent.planning.screen.messages import Open, Opened, ReadPicture, Word, Words
from tools.bench.menus.played import NOTHING, InProcess, Played

ICONS = {"Sound": (40, 60, 90, 110), "Settings": (140, 60, 190, 110), "Quit": (240, 60, 290, 110)}
TITLE = Word("Sky Racer", (250, 220, 390, 250), 0.99)


class Toolbar:
    """A menu of three icons; the word of the one under the mouse is shown below it. Settings opens a page."""

    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.page, self.over = "bar", ""

    def words(self) -> list[Word]:
        if self.page == "settings":
            return [Word("Volume", (250, 150, 390, 180), 0.99), Word("Brightness", (250, 260, 420, 290), 0.99)]
        if not self.over:
            return [TITLE]
        x0, _, _, y1 = ICONS[self.over]
        return [TITLE, Word(self.over, (x0, y1 + 20, x0 + 12 * len(self.over), y1 + 44), 0.99)]

    def render(self) -> ByteArray:
        picture = np.full((360, 640, 3), 30, np.uint8)
        if self.page == "bar":
            for x0, y0, x1, y1 in ICONS.values():
                cv2.rectangle(picture, (x0, y0), (x1, y1), (120, 120, 120), -1)
                cv2.rectangle(picture, (x0, y0), (x1, y1), (220, 220, 220), 2)
        for word in self.words():
            x0, y0, x1, y1 = word.box
            cv2.putText(picture, word.text, (x0, y1 - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (250, 250, 250), 1)
        return picture

    def tick(self, action: Action) -> None:
        for one in action.desk:
            if isinstance(one, Pointer):
                self.over = self._at(one.x_px, 359 - one.y_px)
        if action.click is not None and self.page == "bar":
            name = self._at(action.click[0], 359 - action.click[1])
            self.pressed.append(name)
            self.page = "settings" if name == "Settings" else self.page

    def _at(self, x: int, y: int) -> str:
        return next((n for n, (x0, y0, x1, y1) in ICONS.items() if x0 <= x < x1 and y0 <= y < y1), "")

    def state(self) -> GameState:
        return NOTHING

    def answered(self, message: Message, payload: bytes) -> tuple[Message, bytes]:
        if isinstance(message, Open):
            return Opened(engine="written"), b""
        assert isinstance(message, ReadPicture)
        found = [w for w in self.words() if any(
            w.box[0] < b[2] and b[0] < w.box[2] and w.box[1] < b[3] and b[1] < w.box[3] for b in message.boxes
        )]  # fmt: skip
        return Words(words=tuple(found)), b""


@pytest.mark.parametrize(("goal", "pressed"), [("open the settings", ["Settings"]), ("sound", ["Sound"])])
def test_an_icon_that_the_goal_names_is_found_by_hovering_and_pressed(goal: str, pressed: list[str]) -> None:
    game = Toolbar()
    played = Played(game, goal, hidden=True, caller=InProcess(game))

    async def main() -> None:
        async with played.running():
            assert await played.until(lambda: bool(game.pressed), 40.0), played.seat.status()

    asyncio.run(main())
    assert [p for p in game.pressed if p][:1] == pressed and "Quit" not in game.pressed
    texts = {text for node in played.graph.nodes.values() for text in node.actions.values()}
    assert set(ICONS) <= texts, "the graph knows what the icons are"


def test_what_hovering_tells_is_refused_as_any_text() -> None:
    game = Toolbar()
    played = Played(game, "close the program", hidden=True, caller=InProcess(game))

    async def main() -> None:
        async with played.running():
            await played.until(lambda: "Quit" in game.pressed, 30.0)

    asyncio.run(main())
    assert "Quit" not in game.pressed
