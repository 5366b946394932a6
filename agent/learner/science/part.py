"""The scientist as a part of a session: hears of runs, keeps them in the book, learns, and tells what is certain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from agent.concurrency.lane import Lane, Runner
from agent.control.cards.explorer import Explorer
from agent.control.policy import Policy, capabilities_of, version_of
from agent.core.cards.menu import RunRecord
from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.core.part import Part
from agent.learner.science.book import Book, book_path
from agent.learner.science.study import Known, Study, in_words
from agent.learner.science.watch import RunsWatch

EUREKA: Final = "Eureka"
MAX_WAITING: Final = 256
"""Runs that wait to be learned from; more are dropped, and counted."""
Say = Callable[[str, str, dict[str, Any]], None]


class _State:
    """What changes while a session goes on."""

    def __init__(self) -> None:
        self.known: Known | None = None
        self.dropped = 0
        self.refused = ""
        self.is_read = False


@dataclass(frozen=True)
class Science(Part):
    """Learns what cards do. explorer: chooses in menus; watch: sees play; both tell of what they see through `runs`."""

    name = "scientist"
    key = "scientist"
    explorer: Explorer
    watch: RunsWatch
    book: Book
    runs: asyncio.Queue[RunRecord]
    runner: Runner
    say: Say
    study: Study = field(default_factory=Study)
    lane: Lane = field(default_factory=lambda: Lane("scientist"))
    state: _State = field(default_factory=_State)

    async def run(self) -> None:
        """Read the book, then learn from one run after the other until cancelled."""
        if not self.state.is_read:
            self.state.is_read = True
            await self._read()
            await self._show()
        while True:
            run = await self.runs.get()
            await self._write([run])
            for effect in await self.lane.run(partial(self.study.learn, run)):
                self.say(EUREKA, in_words(effect), {"effect": effect.name, "outcome": effect.outcome})
            await self._show()

    async def _read(self) -> None:
        """Learn from the runs of earlier sessions, one at a time: play goes on meanwhile."""
        try:
            runs = await self.lane.run(lambda: list(self.book.runs()))
        except RecordingError as error:
            self._refuse(error)
            return
        for run in runs:
            await self.lane.run(partial(self.study.learn, run))

    async def _write(self, runs: list[RunRecord]) -> None:
        try:
            await self.lane.run(lambda: self.book.add(runs))
        except RecordingError as error:
            self._refuse(error)

    async def _show(self) -> None:
        """Let the chooser, and whoever reads the status, know what is known now."""
        known = await self.lane.run(self.study.known)
        await self.runner.run(lambda: self.explorer.load(known.beliefs))
        self.state.known = known

    def _refuse(self, error: RecordingError) -> None:
        self.state.refused = str(error)
        self.say("book_refused", str(error), {})

    async def finish(self) -> None:
        """Write the runs that the end of the session cuts, and those that still wait."""
        self.watch.cut()
        left = []
        while not self.runs.empty():
            left.append(self.runs.get_nowait())
        await self._write(left)

    def close(self) -> None:
        """End the lane."""
        self.lane.close()

    def status(self) -> dict[str, Any]:
        """Effects, what is announced, the chances of surviving, and the last menu with its chances."""
        known, menu = self.state.known, self.explorer.menu
        chances = [self.study.chances(latest) for latest in self.watch.latest]
        offer = {} if known is None or menu is None else self.study.at_offer(menu, known)
        return {
            "explores": self.explorer.explores, "epsilon": self.explorer.epsilon, "book": str(self.book.path),
            "refused": self.state.refused, "dropped_runs": self.state.dropped,
            "chances": chances, "offer": {**self.explorer.last, **offer}, **({} if known is None else known.shown),
        }  # fmt: skip


class HowCards(Protocol):
    """How cards are learned about."""

    @property
    def horizon_s(self) -> float:
        """Seconds over which changes of speed and health are measured."""
        ...

    @property
    def explores(self) -> bool:
        """Whether choices are left to chance."""
        ...


class Asked(Protocol):
    """What a session was told, as far as it is of cards. weights_dir and cards: None where nothing is learned."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the games."""
        ...

    @property
    def game(self) -> str:
        """What is played."""
        ...

    @property
    def rules(self) -> str:
        """Hash of its rules."""
        ...

    @property
    def weights_dir(self) -> Path | None:
        """Beside which the book lies."""
        ...

    @property
    def cards(self) -> HowCards | None:
        """How cards are learned about."""
        ...


def build_science(asked: Asked, policy: Policy, clock: Clock, runner: Runner, say: Say) -> Science | None:
    """The scientist of a session, with the explorer and the watch that tell it of runs.

    None where it is off, what it learns is not kept, or the policy takes no other's cards.
    """
    how, game = asked.cards, asked.game
    if how is None or asked.weights_dir is None or capabilities_of(policy).chooses_cards is None:
        return None
    runs: asyncio.Queue[RunRecord] = asyncio.Queue(MAX_WAITING)
    state, program = _State(), version("metabonk-apex")

    def ended(run: RunRecord) -> None:
        if runs.full():
            state.dropped += 1
        else:
            runs.put_nowait(run)

    watch = RunsWatch(len(asked.names), ended, clock, game=game, rules=asked.rules, horizon_s=how.horizon_s)
    explorer = Explorer(
        watch.decided, np.random.default_rng(), is_arena=game == "arena", explores=how.explores, policy=policy.name,
        versions=lambda: (program, str(version_of(policy))),
    )  # fmt: skip
    return Science(explorer, watch, Book(book_path(asked.weights_dir, game)), runs, runner, say, state=state)
