"""A game of menus and a navigator in one process, in virtual time: reading and choosing take no time of the game.

What the game tells of itself may be hidden, so that the navigator has pictures alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from agent.concurrency.frames import Message
from agent.concurrency.lane import Lane
from agent.core.clock import TICK_S, VirtualClock
from agent.core.types import Action, ByteArray, Frame, GameState, Observation
from agent.planning.menus.goal import menu_goal
from agent.planning.menus.graph import ScreenGraph
from agent.planning.menus.navigator import Model, Navigator
from agent.planning.menus.words import Refused
from agent.planning.screen.reader import ScreenReader
from agent.planning.screen.reader_child import Reading

FRAME_EVERY = 6
T = TypeVar("T")
NOTHING = GameState((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, False, False, np.zeros((0, 4), np.float32), "", ())
"""What a game says that tells nothing of itself."""


class Game(Protocol):
    """What is played."""

    def tick(self, action: Action) -> None:
        """One tick."""
        ...

    def render(self) -> ByteArray:
        """The picture now."""
        ...

    def state(self) -> GameState:
        """What it tells."""
        ...


class InProcess:
    """Answers what the reading process would, in this one, while its loop waits: all of it is in virtual time."""

    def __init__(self, reading: Any = None) -> None:
        self.reading = reading if reading is not None else Reading()
        self.asked: list[Message] = []

    async def call(
        self, message: Message, answer: type[Any], payload: bytes = b"", *, timeout_s: float | None = None
    ) -> tuple[Any, bytes]:
        """The answer and its payload."""
        self.asked.append(message)
        return self.reading.answered(message, payload)

    def close(self) -> None:
        """Nothing is held."""


class Inline(Lane):
    """Runs at once what a lane runs on its thread: on a busy machine a change of threads takes longer than the work."""

    async def run(self, fn: Callable[[], T]) -> T:
        """The result of `fn`."""
        return fn()


class Played:
    """One game with its navigator. hidden: the game tells nothing. policy: acts where the navigator does not."""

    def __init__(
        self, game: Game, goal: str, *, hidden: bool, path: Path | None = None,
        model: Callable[[VirtualClock], Model] | None = None,
        policy: Callable[[], Action] = Action, caller: InProcess | None = None, allowed: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.game, self.hidden, self.policy = game, hidden, policy
        self.clock = VirtualClock(100.0)
        self.caller = caller or InProcess()
        self.graph = ScreenGraph("played", path).load()
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.reader = ScreenReader(self.caller, self.clock, Inline("screens"))
        self.navigator = Navigator(
            menu_goal(goal), ("game",), [self.graph], self.reader, Refused(allowed), self.clock,
            lambda kind, text, payload: self.events.append((kind, text, payload)),
            model=None if model is None else model(self.clock), lane=Inline("menus"),
        )  # fmt: skip
        self.seat = self.navigator.seats[0]
        self.ticks = 0
        self.clicks: list[tuple[int, int]] = []
        self._frame: Frame | None = None
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Played]:
        """A context in which the navigator works beside."""
        self._task = task = asyncio.ensure_future(self.navigator.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(self.graph.save)
            self.navigator.close()

    async def until(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Play until something holds; False where it does not within this much of the game's time."""
        until_s = self.clock.now_s() + within_s
        while not holds():
            if self.clock.now_s() >= until_s:
                return False
            await self.tick()
        return True

    async def tick(self) -> None:
        """One tick of the game, and all that follows from it."""
        if self._task is not None and self._task.done():
            self._task.result()  # raises what ended the navigator
        now_s = self.clock.now_s()
        if self.ticks % FRAME_EVERY == 0:
            self._frame = Frame(self.game.render(), now_s, now_s)
        self.ticks += 1
        state = NOTHING if self.hidden else self.game.state()
        seen = Observation(0, state, self._frame, self.ticks, TICK_S, now_s, 0.0, self.ticks == 1, False, False)
        action = self.navigator.propose(seen)
        if action is not None and action.click is not None:
            self.clicks.append(action.click)
        self.game.tick(action if action is not None else self.policy())
        await self.clock.advance(TICK_S)
        await self._settle()

    async def _settle(self) -> None:
        """Let all that follows from the tick happen; nothing of it takes time of the game."""
        for _ in range(20):
            await asyncio.sleep(0)
