"""Loops of play, found while it goes on: each game's newest state is looked at five times a second, on a lane.

A loop is an event when it is found, and another when it ends. The planner hears of it when it is found, and again each
time that as much time is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from agent.concurrency.lane import Runner
from agent.core.clock import Clock
from agent.core.part import Part
from agent.core.types import Action, Frame, GameState, Observation
from agent.journal.export.rows import GameTime
from agent.journal.looks import Looks, is_acting
from agent.journal.loops import CELL_M, LOOK_HZ, MIN_S, Loop, LoopFinder
from agent.session.sense import Feed

EVERY_S: Final = 1.0 / LOOK_HZ
MAX_EPISODE_NODES: Final = 20_000
"""States of one episode that are remembered; the episode counts as another one after that."""
ANEW_S: Final = 5.0
ANEW_SHARE: Final = 0.1
Say = Callable[[str, str, dict[str, Any]], None]
Tell = Callable[[int, str], None]


class _Since(msgspec.Struct):
    """What play told of one game since the last look."""

    acted: bool = False
    gained: bool = False
    is_over: bool = False


class _Glance(msgspec.Struct, frozen=True):
    """One game's newest state, as the lane looks at it."""

    state: GameState
    frame: Frame | None
    came_s: float
    time_s: float
    since: _Since
    is_new_link: bool


class _Watched(msgspec.Struct):
    """One game: what finds its loops, and what was found.

    told_s: how much of a loop's time the planner was told of. going: the loop as it was at `asked_s`; the lane's own.
    """

    looks: Looks = msgspec.field(default_factory=Looks)
    finder: LoopFinder = msgspec.field(default_factory=LoopFinder)
    time: GameTime = msgspec.field(default_factory=GameTime)
    since: _Since = msgspec.field(default_factory=_Since)
    packet_s: float | None = None
    link: int = -1
    before_s: float | None = None
    watched_s: float = 0.0
    ended_s: float = 0.0
    found: int = 0
    times: dict[str, int] = msgspec.field(default_factory=dict)
    now: Loop | None = None
    told_s: float = 0.0
    going: Loop | None = None
    asked_s: float = 0.0


class _Saw(msgspec.Struct, frozen=True):
    """What one look found: the loop that goes on, and the one that ended."""

    now: Loop | None
    ended: Loop | None


class LoopWatch:
    """Watches the games of a session; hears of every step, and looks when it is asked to."""

    def __init__(
        self, feeds: Sequence[Feed], clock: Clock, lane: Runner, say: Say, tell: Tell = lambda game, text: None
    ) -> None:
        """tell: hears of each game's loops in a sentence."""
        self._feeds, self._clock, self._lane, self._say, self._tell = feeds, clock, lane, say, tell
        self._games = [_Watched() for _ in feeds]

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Hear of one step of play; called on the loop after the action was sent."""
        since = self._games[observation.game].since
        since.acted = since.acted or is_acting(action)
        since.gained = since.gained or observation.reward > 0.0
        since.is_over = since.is_over or observation.is_last

    async def run(self) -> None:
        """Look until cancelled."""
        next_s = self._clock.now_s()
        while True:
            await self.look()
            next_s = max(next_s + EVERY_S, self._clock.now_s())
            await self._clock.sleep_until(next_s)

    async def look(self) -> None:
        """Look at every game that has a new state."""
        seen = [(game, self._glance(game)) for game in range(len(self._games))]
        new = [(game, glance) for game, glance in seen if glance is not None]
        if new:
            found = await self._lane.run(partial(self._look_all, new))
            for (game, _), saw in zip(new, found, strict=True):
                self._note(game, saw)

    def _glance(self, game: int) -> _Glance | None:
        feed, watched = self._feeds[game], self._games[game]
        state, packet_s = feed.latest_state, feed.last_packet_s
        if state is None or packet_s is None or packet_s == watched.packet_s:
            return None
        since, watched.since = watched.since, _Since()
        is_new_link = watched.link != feed.link_changes
        watched.packet_s, watched.link = packet_s, feed.link_changes
        if is_new_link:
            watched.time.restart()
        time_s = watched.time.of(state, packet_s)
        return _Glance(state, feed.latest_frame, packet_s, time_s, since, is_new_link)

    def _look_all(self, new: Sequence[tuple[int, _Glance]]) -> list[_Saw]:
        """On the lane: what each look found."""
        return [_look(self._games[game], glance) for game, glance in new]

    def _note(self, game: int, saw: _Saw) -> None:
        """Tell of a loop that was found, that goes on, or that ended."""
        watched, before, now = self._games[game], self._games[game].now, saw.now
        watched.now = now
        if before is not None and (saw.ended is not None or now is None):
            ended = saw.ended or before
            watched.ended_s += ended.lost_s
            text = f"the loop of {self._feeds[game].name} is over after {ended.lost_s:.0f} s"
            self._say("loop_over", text, {"game": game, **_described(ended)})
        if now is None:
            return
        if before is None or saw.ended is not None:
            watched.found += 1
            watched.times[now.hash] = watched.times.get(now.hash, 0) + 1
            watched.told_s = 0.0
            times = watched.times[now.hash]
            again = f", found {times} times" if times > 1 else ""
            text = f"{self._feeds[game].name} is in a loop{again}: {sentence(now)}"
            self._say("loop", text, {"game": game, "times": times, **_described(now)})
        if now.lost_s >= watched.told_s + MIN_S:
            watched.told_s = now.lost_s
            self._tell(game, sentence(now))

    def status(self) -> dict[str, Any]:
        """Of each game the loop that goes on, how many were found, and the time that they cost."""
        return {
            "games": [
                {
                    "now": None if watched.now is None else _described(watched.now),
                    "found": watched.found,
                    "lost_s": round(watched.ended_s + (watched.now.lost_s if watched.now is not None else 0.0), 1),
                    "watched_s": round(watched.watched_s, 1),
                }
                for watched in self._games
            ]
        }


def _look(watched: _Watched, glance: _Glance) -> _Saw:
    looks, time_s, ended = watched.looks, glance.time_s, None
    if glance.is_new_link or watched.finder.nodes >= MAX_EPISODE_NODES:
        ended = _begin_anew(watched)
    looks.note(glance.state, glance.came_s)
    looks.add(acted=glance.since.acted, gained=glance.since.gained)
    frame = glance.frame
    pictured_s = frame.received_at_s if frame is not None else None
    look = looks.look(time_s, glance.state, lambda: frame.pixels if frame is not None else None, pictured_s)
    if watched.before_s is not None and time_s - watched.before_s > 0.0:
        watched.watched_s += time_s - watched.before_s
    watched.before_s = time_s
    found = watched.finder.add(look)
    if found is not None:
        ended, watched.going = found, None
    if glance.since.is_over:
        ended = _begin_anew(watched) or ended
    return _Saw(_going(watched, time_s), ended)


def _going(watched: _Watched, time_s: float) -> Loop | None:
    """The loop that goes on; the longer it is, the seldomer it is made anew, because that takes a while."""
    going = watched.going
    if not watched.finder.is_looping:
        watched.going = None
    elif going is None or time_s - watched.asked_s >= max(ANEW_S, ANEW_SHARE * going.lost_s):
        watched.going, watched.asked_s = watched.finder.now(), time_s
    return watched.going


def _begin_anew(watched: _Watched) -> Loop | None:
    """Another episode begins, in which nothing was seen before; the loop that the one before ended in."""
    ended = watched.finder.end()
    watched.finder, watched.before_s, watched.going = LoopFinder(), None, None
    return ended


def sentence(loop: Loop) -> str:
    """What a loop is, for people and for models."""
    menu, level, cell, _ = loop.node
    where = f"in {menu}" if menu else "in one place" if cell is None else "at x {:.0f}, z {:.0f}".format(*_middle(cell))
    if len(loop.nodes) == 1:
        return f"{loop.lost_s:.0f} s {where} at level {level}, whatever the player did"
    times = f"the player was {loop.repeats} times {where} at level {level}"
    return f"{times}, {loop.lost_s:.0f} s in {len(loop.nodes)} states"


def _middle(cell: tuple[int, int, int]) -> tuple[float, float]:
    return (cell[0] + 0.5) * CELL_M, (cell[2] + 0.5) * CELL_M


def _described(loop: Loop) -> dict[str, Any]:
    menu, level, cell, _ = loop.node
    return {
        "hash": loop.hash, "lost_s": round(loop.lost_s, 1), "repeats": loop.repeats, "nodes": len(loop.nodes),
        "menu": menu, "level": level, "cell": list(cell) if cell is not None else None,
    }  # fmt: skip


@dataclass(frozen=True)
class Loops(Part):
    """Looks for loops while a session plays in real time."""

    name = "loops"
    key = "loops"
    watch: LoopWatch

    async def run(self) -> None:
        """Look until cancelled."""
        await self.watch.run()

    def status(self) -> dict[str, Any]:
        """The loops of each game."""
        return self.watch.status()
