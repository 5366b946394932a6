"""How surprising a session's games are, in `/status` and as events; off the control path, in the learner's process.

Each game's newest picture goes there at the world's own pace. Where the process is at work on something else the next
picture is a later one, and the game is foreseen anew from it. A picture is surprising where it is far above what was
usual lately.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from agent.concurrency.child import Child
from agent.concurrency.lane import Runner
from agent.core.clock import Clock
from agent.core.errors import ChildGone, RequestError
from agent.core.part import Part
from agent.core.types import Action, FloatArray, Frame, Observation, Shown
from agent.learner.surprise.messages import Foresee, Foreseen, OpenWorld, WorldOpened
from agent.learning.pixels.actions import joined, numbers_of
from agent.learning.pixels.layout import STANDARD, ActionLayout, Control
from agent.learning.pixels.prepared import fitted

USUAL: Final = 200
"""Pictures that say what is usual; at least a quarter of them are needed."""
DEVIATIONS: Final = 4.0
QUIET_S: Final = 10.0
"""Between two events of one game."""
LATE: Final = 2.0
"""Of the world's pace: after so long without a picture what came before is forgotten."""
RETRY_S: Final = 5.0
Say = Callable[[str, str, dict[str, Any]], None]


class Watched(Protocol):
    """A game's newest picture."""

    @property
    def name(self) -> str:
        """What the game is called."""
        ...

    @property
    def latest_frame(self) -> Frame | None:
        """The newest picture that was decoded."""
        ...


class _Game(msgspec.Struct):
    """One game: what was done since its last picture, and how it surprised."""

    deeds: list[FloatArray] = []
    frame_s: float = -math.inf
    seen: int = 0
    pictures: int = 0
    surprise: float | None = None
    regime: int | None = None
    usual: deque[float] = msgspec.field(default_factory=lambda: deque(maxlen=USUAL))
    highest: float = 0.0
    events: int = 0
    told_s: float = -math.inf


class SurpriseWatch:
    """Asks the process about the pictures of a session's games."""

    def __init__(
        self, path: Path, feeds: Sequence[Watched], child: Child, clock: Clock, lane: Runner, say: Say
    ) -> None:
        self._path, self._feeds, self._child = path, feeds, child
        self._clock, self._lane, self._say = clock, lane, say
        self._games = [_Game() for _ in feeds]
        self._opened: WorldOpened | None = None
        self._opened_in = -1
        self._why = "not loaded yet"
        self._shown: Shown | None = None

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Hear of one step of play; called on the loop after the action was sent."""
        if self._opened is None:
            return
        frame = self._feeds[observation.game].latest_frame
        size = (1, 1) if frame is None else (frame.pixels.shape[1], frame.pixels.shape[0])
        self._games[observation.game].deeds.append(numbers_of(action, self._shown, size))

    async def run(self) -> None:
        """Watch until cancelled; raises where the world cannot be used."""
        while True:
            try:
                opened = await self._open()
                await self._look(opened)
            except (ChildGone, RequestError) as error:
                self._opened, self._why = None, str(error)
                await self._clock.sleep_until(self._clock.now_s() + RETRY_S)
                continue
            await self._clock.sleep_until(self._clock.now_s() + opened.dt_s)

    async def _open(self) -> WorldOpened:
        """What the process holds; it is told anew after it was started anew."""
        if self._opened is not None and self._opened_in == self._child.starts:
            return self._opened
        opened, _ = await self._child.call(OpenWorld(path=str(self._path)), WorldOpened)
        controls = tuple((c.name, c.kind, c.choices) for c in STANDARD.controls)
        if tuple(opened.controls) != controls:
            axes = sum(kind == "axis" for _, kind, _ in opened.controls)
            branches = tuple(count for _, kind, count in opened.controls if kind == "choice")
            if axes + len(branches) != len(opened.controls):
                raise RequestError(400, f"{self._path.name}: its actions are not those of a game that is played here")
            self._shown = Shown((), 0, axes, branches)
        for game in self._games:
            game.seen, game.deeds = 0, []
        self._opened, self._opened_in, self._why = opened, self._child.starts, ""
        return opened

    @property
    def _layout(self) -> ActionLayout:
        assert self._opened is not None
        return ActionLayout(tuple(Control(n, k, c) for n, k, c in self._opened.controls))  # type: ignore[arg-type]

    async def _look(self, opened: WorldOpened) -> None:
        """Send every game's picture that is new."""
        for index, (game, feed) in enumerate(zip(self._games, self._feeds, strict=True)):
            frame = feed.latest_frame
            if frame is None or frame.received_at_s <= game.frame_s:
                continue
            is_late = frame.received_at_s - game.frame_s > LATE * opened.dt_s
            deeds, game.deeds = game.deeds, []
            game.frame_s = frame.received_at_s
            pixels = await self._lane.run(partial(fitted, frame.pixels, opened.size_px))
            values = joined(deeds, self._joining) if deeds else None
            message = Foresee(
                game=index, values=[0.0] * len(opened.controls) if values is None else values.tolist(),
                is_first=is_late or not game.seen,
            )  # fmt: skip
            found, _ = await self._child.call(message, Foreseen, pixels.tobytes())
            game.seen = 1 if message.is_first else game.seen + 1
            self._note(index, game, found, opened)

    @property
    def _joining(self) -> ActionLayout:
        return STANDARD if self._shown is None else self._layout

    def _note(self, index: int, game: _Game, found: Foreseen, opened: WorldOpened) -> None:
        """Count a picture, and tell where it is a surprise. The first ones are foreseen from too little."""
        game.pictures += 1
        game.regime = None if found.regime < 0 else found.regime
        if game.seen <= opened.length:
            return
        game.surprise = found.surprise
        usual, now_s = game.usual, self._clock.now_s()
        if len(usual) >= USUAL // 4:
            mean = sum(usual) / len(usual)
            spread = math.sqrt(sum((each - mean) ** 2 for each in usual) / len(usual))
            above = found.surprise > mean + DEVIATIONS * spread
            if above and now_s - game.told_s >= QUIET_S:
                game.told_s = now_s
                game.events += 1
                times = found.surprise / max(mean, 1e-9)
                text = f"{self._feeds[index].name} shows what was not foreseen: {times:.1f} times the usual"
                payload = {"game": index, "surprise": found.surprise, "usual": mean, "regime": game.regime}
                self._say("surprise", text, payload)
        usual.append(found.surprise)
        game.highest = max(game.highest, found.surprise)

    def status(self) -> dict[str, Any]:
        """The world, why it is off, and of each game the newest surprise, the usual one and the highest."""
        return {
            "world": self._path.name, "why_off": self._why, "place": self._opened.place if self._opened else "",
            "games": [
                {
                    "surprise": game.surprise, "regime": game.regime, "pictures": game.pictures,
                    "usual": sum(game.usual) / len(game.usual) if game.usual else None, "highest": game.highest,
                    "events": game.events,
                }
                for game in self._games
            ],
        }  # fmt: skip


@dataclass(frozen=True)
class Surprise(Part):
    """How surprising the games are."""

    name = "surprise"
    key = "surprise"
    watch: SurpriseWatch
    own: Child | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        await self.watch.run()

    def close(self) -> None:
        """End the process, where it is this part's own."""
        if self.own is not None:
            self.own.close()

    def status(self) -> dict[str, Any]:
        """What the games were like."""
        return self.watch.status()
