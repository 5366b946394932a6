"""The scheduler of a population: whose turn it is, what an interval's end leads to, and what is kept of it.

As many intervals are under way as the runner has places; the next one is of the member that has spent the fewest steps.
Nobody waits for anybody: a member is compared when its own intervals are over, with what is known of the others then.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from agent.core.errors import ChildGone, SettingsError
from agent.learning.population import Copy, Standing, Values, begin, clip, copy_for, perturb
from agent.training.population.book import Book, Event, Member, Population
from agent.training.population.config import PopulationConfig
from agent.training.population.contract import Done, Interval, Runner

MAX_LOST: Final = 5
"""Times in a row that a member's interval may be lost, before the population gives up."""
EVAL_SEED: Final = 900_000_000
T = TypeVar("T")
_SEEDS_APART: Final = 10_000


class Asked(msgspec.Struct, frozen=True):
    """What whoever proposes hyper-parameters is shown: the member's values, and every member's with its fitness."""

    values: Values
    members: list[tuple[Values, float | None]]
    steps: int
    total: int


Propose = Callable[[Asked], Awaitable[dict[str, float] | None]]
"""Values for a state; None where there is no answer, so that the search's own are taken."""


class Scheduler:
    """Runs a population to its end; `population` is its state. on_line hears what an interval's end says."""

    def __init__(
        self, config: PopulationConfig, members: int, runner: Runner, book: Book, *, seed: int,
        asked: dict[str, Any] | None = None, propose: Propose | None = None,
        on_line: Callable[[dict[str, Any]], None] = lambda line: None, say: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        """Take up what the book keeps, else begin; raises SettingsError."""
        self.config, self.count, self._runner, self._book, self._seed = config, members, runner, book, seed
        self._propose, self._on_line, self._say = propose, on_line, say
        found = book.load(asked or {})
        self.population = self._begun(asked or {}) if found is None else found
        if found is None:
            book.keep(msgspec.json.encode(self.population), {}, None)
        self._running: set[int] = set()
        self._keeping = asyncio.Lock()
        self._lost: dict[int, int] = {}

    def _begun(self, asked: dict[str, Any]) -> Population:
        if self.count < len(self.config.periods):
            raise SettingsError(f"--members {self.count}: {len(self.config.periods)} periods need as many members")
        members = [
            Member(
                number=n, group=self.config.group_of(n, self.count), seed=self._seed * 1000 + n,
                values=begin(self.config.search, self._rng(n, 0)),
            )
            for n in range(self.count)
        ]  # fmt: skip
        events = [
            Event(kind="begin", member=m.number, spent=0, parent=-1, values=m.values, by="start") for m in members
        ]
        return Population(asked=asked, members=members, lineage=events)

    def _rng(self, member: int, interval: int) -> np.random.Generator:
        """Draws of one decision: the same whatever else was running."""
        return np.random.default_rng((self._seed, member, interval))

    def fitness(self, member: Member) -> float | None:
        """The mean score of the newest episodes; −∞ where the training broke down, None where none were measured."""
        if member.broken:
            return -math.inf
        return float(np.mean(member.scores)) if member.scores else None

    @property
    def is_done(self) -> bool:
        """True where every place has spent its steps."""
        return all(m.spent >= self.config.steps for m in self.population.members)

    async def run(self) -> Population:
        """Until every place has spent its steps. Raises what a runner raises again and again."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(max(1, min(self._runner.places, self.count))):
                tasks.create_task(self._place())
        return self.population

    async def _place(self) -> None:
        while (member := self._next()) is not None:
            self._running.add(member.number)
            try:
                await self._interval(member)
            finally:
                self._running.discard(member.number)

    def _next(self) -> Member | None:
        """Whose turn it is: of those who wait, the one that has spent the fewest steps."""
        waiting = [m for m in self.population.members if m.number not in self._running and m.spent < self.config.steps]
        return min(waiting, key=lambda m: (m.spent, m.number), default=None)

    def order(self, member: Member) -> Interval:
        """What the member's next interval is."""
        steps = min(self.config.interval, self.config.steps - member.spent)
        return Interval(
            member=member.number, number=member.intervals, steps=steps, values=member.values,
            continues=member.continues, seed=member.seed, episodes=self.config.episodes,
            eval_seed=EVAL_SEED + _SEEDS_APART * (member.intervals % 1000),
        )  # fmt: skip

    async def _interval(self, member: Member) -> None:
        order = self.order(member)
        state = await self._on_disk(partial(self._book.state, member.state))
        try:
            done, state = await self._runner.run(order, state)
        except ChildGone as error:
            lost = self._lost[member.number] = self._lost.get(member.number, 0) + 1
            self._say(f"member {member.number}: its interval was lost and is done again: {error}")
            if lost >= MAX_LOST:
                raise
            member.continues = False
            return
        self._lost.pop(member.number, None)
        states = self._take(member, order, done, state)
        line = self._line(member, done)
        due = self.config.periods[member.group]
        if self.config.explore and member.spent < self.config.steps and (member.since >= due or member.broken):
            await self._compare(member)
        async with self._keeping:
            await self._on_disk(partial(self._book.keep, msgspec.json.encode(self.population), states, line))
        self._on_line(line)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        """Do what waits for the disk beside the loop."""
        return await asyncio.to_thread(work) if self._book.blocks else work()

    def _take(self, member: Member, order: Interval, done: Done, state: bytes) -> dict[str, bytes]:
        """What an interval's end changes; the states to be written."""
        member.intervals += 1
        member.since += 1
        if done.broken:
            member.broken, member.continues, member.scores = True, False, []
            member.spent += order.steps
            self._say(f"member {member.number}: its training broke down: {done.broken}")
            return {}
        member.broken = False
        member.spent += max(1, done.steps - member.steps)
        member.steps, member.continues = done.steps, True
        member.scores = (member.scores + list(done.scores))[-self.config.window :]
        member.state = f"member-{member.number:02d}-{member.intervals:06d}.safetensors"
        fitness, best = self.fitness(member), self.population.best_fitness
        if fitness is not None and math.isfinite(fitness) and (best is None or fitness > best):
            self.population.best, self.population.best_fitness = member.number, fitness
            self.population.best_state = member.state
        return {member.state: state}

    async def _compare(self, member: Member) -> None:
        """Let a member that is due copy a better one and change hyper-parameters, where it is among the worst."""
        members, rng = self.population.members, self._rng(member.number, member.intervals)
        member.since = 0
        standings = [Standing(m.number, m.group, self.config.periods[m.group], self.fitness(m)) for m in members]
        copy = copy_for(member.number, standings, rng, quantile=self.config.quantile)
        if copy is not None and members[copy.parent].state:
            await self._copied(member, copy, rng)
        elif member.broken:
            values = begin(self.config.search, rng)
            self._set(member, "restart", -1, values, "start", None)
            member.state, member.steps = "", 0

    async def _copied(self, member: Member, copy: Copy, rng: np.random.Generator) -> None:
        members = self.population.members
        parent = members[copy.parent]
        state, steps, parent_fitness = parent.state, parent.steps, self.fitness(parent)
        values, by = await self._changed(members[copy.values_of].values, rng)
        self._set(member, "copy", parent.number, values, by, parent_fitness)
        member.state, member.steps = state, steps

    def _set(
        self, member: Member, kind: str, parent: int, values: Values, by: str, parent_fitness: float | None
    ) -> None:
        before = self.fitness(member)
        fitness = before if before is None or math.isfinite(before) else None
        self.population.lineage.append(Event(
            kind=kind, member=member.number, spent=member.spent, parent=parent, values=values, by=by, fitness=fitness,
            parent_fitness=parent_fitness,
        ))  # fmt: skip
        member.values, member.scores, member.broken, member.continues = values, [], False, False

    async def _changed(self, values: Values, rng: np.random.Generator) -> tuple[Values, str]:
        config = self.config
        own = perturb(values, config.search, rng, resample=config.resample, factors=config.factors)
        if self._propose is None or rng.random() >= config.share:
            return own, "search"
        shown = [(m.values, self.fitness(m)) for m in self.population.members]
        total = self.count * config.steps
        asked = Asked(values, shown, sum(m.spent for m in self.population.members), total)
        proposed = await self._propose(asked)
        return (own, "search") if proposed is None else (clip(proposed, values, config.search), "llm")

    def _line(self, member: Member, done: Done) -> dict[str, Any]:
        fitness = self.fitness(member)
        return {
            "member": member.number, "spent": member.spent, "steps": member.steps, "intervals": member.intervals,
            "fitness": None if fitness is None or not math.isfinite(fitness) else round(fitness, 5),
            "values": member.values, "metrics": {n: round(v, 6) for n, v in done.metrics.items()},
        }  # fmt: skip
