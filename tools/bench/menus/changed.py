"""Screens that change while a model thinks: 300 of them, 0 to 7 s after the look, and which clicks land.

    python -m tools.bench.menus.changed --screens 300

In virtual time, with words given, so that nothing but the mouse decides. A click that lands on anything but what was
meant is counted; so is the time from the last look to the click, in virtual time of frames of 10 Hz.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.concurrency.frames import Message
from agent.core.clock import VirtualClock
from agent.core.types import Action, ByteArray, Frame, GameState
from agent.planning.menus.choose import Choice
from agent.planning.menus.goal import MenuGoal
from agent.planning.menus.graph import action_key
from agent.planning.screen.elements import Screen
from agent.planning.screen.messages import Open, Opened, ReadPicture, Word, Words
from tools.bench._result_file import publish
from tools.bench.menus.hostile import Canvas
from tools.bench.menus.played import NOTHING, InProcess, Played

LONGEST_S: Final = 7.0
_CHANGES: Final = ("another text", "moved", "covered", "window")


class Written:
    """Reads what a game wrote, without an engine: the words of the picture that it drew last."""

    def __init__(self, game: Changing) -> None:
        self._game = game

    def answered(self, message: Message, payload: bytes) -> tuple[Message, bytes]:
        """The words in the boxes that are asked for."""
        if isinstance(message, Open):
            return Opened(engine="given"), b""
        assert isinstance(message, ReadPicture)
        words = self._game.words
        found = [w for w in words if any(_touches(w.box, box) for box in message.boxes)]
        return Words(words=tuple(found)), b""


def _touches(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


class Changing:
    """A menu whose PLAY becomes something else at an instant. landed: the texts under the clicks, "" for none."""

    def __init__(self, change: str, at_tick: int) -> None:
        self.change, self.at_tick = change, at_tick
        self.ticks = 0
        self.landed: list[tuple[str, bool]] = []
        self._drawn: dict[bool, tuple[ByteArray, list[Word]]] = {}

    @property
    def is_changed(self) -> bool:
        """True from the change on."""
        return self.ticks >= self.at_tick

    @property
    def words(self) -> list[Word]:
        """What is written now."""
        return self._now()[1]

    def _now(self) -> tuple[ByteArray, list[Word]]:
        if self.is_changed not in self._drawn:
            self._drawn[self.is_changed] = self._draw(self.is_changed)
        return self._drawn[self.is_changed]

    def _draw(self, changed: bool) -> tuple[ByteArray, list[Word]]:
        size = (800, 450) if changed and self.change == "window" else (640, 360)
        canvas = Canvas(size, (20, 24, 40))
        text = "Delete" if changed and self.change == "another text" else "Play"
        y = 200 if changed and self.change == "moved" else 100
        if not (changed and self.change == "covered"):
            canvas.write(text, 280, y, 28, (240, 240, 240), box=(52, 56, 84))
        else:
            canvas.write("Are you sure?", 250, 100, 22, (240, 240, 240), box=(120, 30, 30))
        canvas.write("Options", 280, 280, 28, (240, 240, 240), box=(52, 56, 84))
        return canvas.pixels(), canvas.words

    def tick(self, action: Action) -> None:
        """One tick; a click is noted with what lies under it."""
        if action.click is not None:
            h = self._now()[0].shape[0]
            x, y = action.click[0], h - 1 - action.click[1]
            under = [
                w.text for w in self.words if w.box[0] - 24 <= x < w.box[2] + 24 and w.box[1] - 10 <= y < w.box[3] + 10
            ]
            self.landed.append((under[0] if under else "", self.is_changed))
        self.ticks += 1

    def render(self) -> ByteArray:
        """The picture now."""
        return self._now()[0]

    def state(self) -> GameState:
        """Told is the menu's name."""
        return msgspec.structs.replace(NOTHING, max_health=1.0, current_menu="MainMenu")


class Slow:
    """A model that names PLAY of the first look, however long it takes and whatever is there by then."""

    def __init__(self, clock: VirtualClock, takes_s: float) -> None:
        self._clock, self._takes_s = clock, takes_s
        self.answers = 0

    async def choose(self, goal: MenuGoal, screen: Screen, frame: Frame, allowed: Sequence[int]) -> Choice:
        """Press PLAY once; later wait."""
        play = next((e for e in screen.elements if e.text == "Play"), None)
        if play is None or self.answers:
            return Choice("wait", "nothing more")
        await self._clock.sleep_until(self._clock.now_s() + self._takes_s)
        self.answers += 1
        return Choice("click", "the model says so", play, action_key(play, screen.size_px))

    def status(self) -> dict[str, Any]:
        """Nothing."""
        return {}


async def one(number: int) -> tuple[list[tuple[str, bool]], list[float]]:
    """What the clicks of one screen landed on, each with whether the screen had changed; and the look→click times."""
    rng = np.random.default_rng(number)
    takes_s = float(rng.uniform(0.1, LONGEST_S))
    change_s = 0.6 + float(rng.uniform(0.0, 1.0)) * takes_s
    game = Changing(_CHANGES[number % len(_CHANGES)], round(change_s * 60))
    played = Played(
        game, "Start a run", hidden=False, caller=InProcess(Written(game)), model=lambda clock: Slow(clock, takes_s)
    )
    async with played.running():
        await played.until(lambda: bool(game.landed), 0.6 + takes_s + 2.5)
    return game.landed, list(played.seat.mouse.look_to_click_s)


async def measure(screens: int) -> dict[str, Any]:
    """Clicks on screens that changed."""
    landed, times = [], []
    for number in range(screens):
        found, took = await one(number)
        landed += [(number, *hit) for hit in found]
        times += took
    wrong = [hit for hit in landed if hit[1] != "Play" or hit[2]]
    ordered = sorted(times)
    p99 = ordered[len(ordered) * 99 // 100] if ordered else None
    return {
        "screens": screens, "clicks": len(landed), "clicks_on_changed_screens": len(wrong), "wrong": wrong[:10],
        "look_to_click_p99_ms": None if p99 is None else round(p99 * 1e3, 1),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screens", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    values = asyncio.run(measure(options.screens))
    publish("menus_changed", values, options.out)
    return 1 if values["clicks_on_changed_screens"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
