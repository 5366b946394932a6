"""Surprise of a session: shown, told once where it is far above the usual, and off with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from agent.concurrency.frames import Message
from agent.core.clock import VirtualClock
from agent.core.errors import RequestError
from agent.core.types import Action, Frame
from agent.learner.surprise.messages import Foresee, Foreseen, OpenWorld, WorldOpened
from agent.learner.surprise.watch import USUAL, Surprise, SurpriseWatch
from agent.learning.pixels.layout import STANDARD

T = TypeVar("T")
TEN = [(c.name, c.kind, c.choices) for c in STANDARD.controls]


class Now:
    """A lane that has no thread."""

    async def run(self, fn: Callable[[], T]) -> T:
        return fn()


class Answers:
    """What the process would answer; `sent` is what it was asked."""

    starts = 1

    def __init__(self, controls: list[tuple[str, str, int]]) -> None:
        self.controls, self.surprise, self.sent = controls, 0.01, list[Foresee]()

    async def call(self, message: Message, answer: type[Message], payload: bytes = b"") -> tuple[Message, bytes]:
        if isinstance(message, OpenWorld):
            return WorldOpened(controls=self.controls, size_px=8, dt_s=0.1, length=4, place="cpu"), b""
        assert isinstance(message, Foresee) and len(payload) == 8 * 8 * 3
        self.sent.append(message)
        wobble = 0.001 * (len(self.sent) % 3)
        return Foreseen(surprise=self.surprise + wobble, regime=len(self.sent) % 2), b""


class Game:
    name, latest_frame = "game", None


class Scene:
    def __init__(self, controls: list[tuple[str, str, int]]) -> None:
        self.clock, self.game, self.child = VirtualClock(), Game(), Answers(controls)
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        say = lambda kind, text, payload: self.said.append((kind, text, payload))
        watch = SurpriseWatch(Path("w.safetensors"), [self.game], self.child, self.clock, Now(), say)  # type: ignore[list-item,arg-type]
        self.part = Surprise(watch)

    async def pictures(self, count: int, *, gap_s: float = 0.1, action: Action | None = None) -> None:
        opened = await self.part.watch._open()
        for _ in range(count):
            await self.clock.advance(gap_s)
            self.game.latest_frame = Frame(np.zeros((16, 16, 3), np.uint8), 0.0, self.clock.now_s())  # type: ignore[assignment]
            if action is not None:
                observation: Any = type("Seen", (), {"game": 0})()
                self.part.watch.on_step(observation, action, 1)
            await self.part.watch._look(opened)


def test_a_jump_is_told_once_and_what_is_usual_is_not() -> None:
    async def scenario() -> None:
        scene = Scene(TEN)
        await scene.pictures(USUAL)
        assert not scene.said
        scene.child.surprise = 0.2
        await scene.pictures(3)
        assert [kind for kind, _, _ in scene.said] == ["surprise"] and scene.said[0][2]["surprise"] > 0.19
        shown = scene.part.status()
        assert shown["why_off"] == "" and shown["place"] == "cpu"
        game = shown["games"][0]
        assert game["surprise"] > 0.19 and game["usual"] < 0.05 and game["events"] == 1 and game["regime"] in (0, 1)

    asyncio.run(scenario())


def test_actions_go_along_and_a_pause_begins_anew() -> None:
    async def scenario() -> None:
        scene = Scene(TEN)
        await scene.pictures(3, action=Action(move=(0.5, 0.0), fire=True))
        await scene.part.watch._look(await scene.part.watch._open())  # no new picture: nothing is asked
        await scene.pictures(1, gap_s=0.9)
        assert [each.is_first for each in scene.child.sent] == [True, False, False, True]
        assert (
            scene.child.sent[1].values == [0.5, 0, 0, 0, 1, 0, 0, 0, 0, 0] and scene.child.sent[3].values == [0.0] * 10
        )
        assert scene.part.status()["games"][0]["surprise"] is None

    asyncio.run(scenario())


def test_a_world_of_other_actions_is_off_with_its_reason() -> None:
    async def scenario() -> None:
        scene = Scene([("jump", "key", 0)])
        with pytest.raises(RequestError, match="not those of a game that is played here"):
            await scene.part.watch._open()
        choice = Scene([("choice0", "choice", 4)])
        await choice.pictures(2)
        assert choice.child.sent[0].values == [0.0]

    asyncio.run(scenario())
