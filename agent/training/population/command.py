"""The command `population`: a population run to its end in a folder, shown, drawn, and its best member published.

`DIR/population.json` and `DIR/states/` are what a resumed population needs, `curve.jsonl` has a line for each interval,
`lineage.png` shows who copied whom, and `member-NN/` holds TensorBoard files where tensorboardX is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from safetensors.numpy import load

from agent.control.environment.policy import policy_name
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.games.options import check_bounds, is_gymnasium
from agent.planning.backend import LlmConfig
from agent.store.store import Stored, WeightsStore
from agent.training.folder import TrainingFolder
from agent.training.population.asking import asks, find_proposer
from agent.training.population.book import CURVE, Book, Population
from agent.training.population.config import PopulationConfig, known_of
from agent.training.population.contract import Interval, Runner, Seal
from agent.training.population.member import Task
from agent.training.population.plot import LINEAGE, draw
from agent.training.population.runner import LocalRunner
from agent.training.population.scheduler import Scheduler
from agent.training.tensorboard import Scalars, check_wanted, open_scalars

Say = Callable[[str], None]


class PopulationWork(msgspec.Struct, frozen=True, kw_only=True):
    """What is trained, and how; see `commands.merging.population`."""

    game: str
    members: int
    config: PopulationConfig
    out: Path
    seed: int = 0
    processes: int = 1
    preset: str | None = None
    profile: Path | None = None
    begin: Path | None = None
    demos: tuple[Path, ...] = ()
    target: str | None = None
    publish: bool = True
    resume: bool = False
    tensorboard: bool | None = None

    def check(self) -> None:
        """Raise SettingsError for what is out of bounds or cannot be trained on."""
        check_bounds("--members", self.members, 2, 256)
        check_bounds("--processes", self.processes, 1, 64)
        if self.game != "arena" and not is_gymnasium(self.game):
            raise SettingsError(f"--game {self.game}: a population trains on arena, gym:[MODULE:]ID or MODULE:FACTORY")
        for name in self.config.search:
            if name not in known_of(self.game):
                raise SettingsError(f"search.{name}: {self.game} has {', '.join(known_of(self.game))}")
        of_environments = {"--demos": self.demos, "--preset": self.preset, "--profile": self.profile}
        for name, value in of_environments.items():
            if value and self.game == "arena":
                raise SettingsError(f"{name}: is of environments; leave it out for the arena")
        if self.begin is not None and self.game != "arena":
            raise SettingsError(f"--begin {self.begin}: only in the arena members begin with a pilot's weights")
        check_wanted(self.tensorboard)

    @property
    def task(self) -> Task:
        """What each member trains on."""
        return Task(
            game=self.game, total_steps=self.config.steps, searched=tuple(self.config.search), preset=self.preset,
            profile=None if self.profile is None else str(self.profile), demos=tuple(map(str, self.demos)),
            begin=None if self.begin is None else str(self.begin),
        )  # fmt: skip

    @property
    def asked(self) -> dict[str, Any]:
        """What a kept population must be of."""
        digest = hashlib.sha256(msgspec.json.encode(self.config)).hexdigest()[:16]
        return {"game": self.game, "members": self.members, "seed": self.seed, "config": digest}


def run_population(
    work: PopulationWork, store: WeightsStore, llm: LlmConfig, clock: Clock, console: Console, *, wants_llm: bool,
    on_begun: Callable[[], None] = lambda: None, runner: Runner | None = None,
) -> Population:  # fmt: skip
    """Run a population to its end; returns it. runner: where members train, in place of processes of this machine.

    Interrupted, it keeps all but the intervals under way.
    """

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    work.check()
    folder = TrainingFolder(work.out, work.asked, resume=work.resume)
    with contextlib.closing(folder):
        folder.make()
        book = Book(work.out)
        own = runner or LocalRunner(work.task, work.processes)
        try:
            return asyncio.run(_run(work, book, own, store, llm, clock, say, wants_llm=wants_llm, on_begun=on_begun))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            own.close()
            _drawn(work.out, book, work.asked, say)


async def _run(
    work: PopulationWork, book: Book, runner: Runner, store: WeightsStore, llm: LlmConfig, clock: Clock, say: Say, *,
    wants_llm: bool, on_begun: Callable[[], None],
) -> Population:  # fmt: skip
    backend, proposer = await find_proposer(llm, work.config.search, clock, wanted=wants_llm, say=say)
    shown = _Shown(work, clock, say, on_begun)
    try:
        scheduler = await asyncio.to_thread(
            lambda: Scheduler(
                work.config,
                work.members,
                runner,
                book,
                seed=work.seed,
                asked=work.asked,
                propose=None if proposer is None else asks(proposer),
                on_line=shown.line,
                say=say,
            )  # fmt: skip
        )
        population = await scheduler.run()
        if proposer is not None:
            say(
                f"{proposer.model.name} was asked {proposer.counts['asked']} times and answered "
                f"{proposer.counts['answered']}"
            )
        if work.publish:
            stored = await publish_best(population, scheduler, runner, book, store, work)
            if stored is not None:
                say(f"{stored.policy}: the best member is version {stored.version}; `weights rollback` goes back")
        return population
    finally:
        shown.close()
        await asyncio.to_thread(backend.close)


async def publish_best(
    population: Population, scheduler: Scheduler, runner: Runner, book: Book, store: WeightsStore, work: PopulationWork
) -> Stored | None:
    """Keep the member with the best mean score as the next version of its policy; None where none was measured."""
    if population.best is None or not population.best_state:
        return None
    member = population.members[population.best]
    order: Interval = scheduler.order(member)
    state = await asyncio.to_thread(book.state, population.best_state)
    sealed, tensors = await runner.seal(Seal(interval=order), state)
    policy = work.target or (sealed.kind if work.game == "arena" else policy_name(sealed.kind, work.game))
    notes = {**sealed.notes, "population": work.asked, "member": member.number, "fitness": population.best_fitness}
    return await asyncio.to_thread(
        lambda: store.publish(
            policy,
            load(tensors),
            kind=sealed.kind,
            layout=sealed.layout,
            sizes=sealed.sizes,
            notes=notes,
            created_by=f"population of {work.members} on {work.game}",
        )  # fmt: skip
    )


class _Shown:
    """Lines for people and for TensorBoard."""

    def __init__(self, work: PopulationWork, clock: Clock, say: Say, on_begun: Callable[[], None]) -> None:
        self._work, self._clock, self._say, self._on_begun = work, clock, say, on_begun
        self._files: dict[int, Scalars] = {}

    def line(self, line: dict[str, Any]) -> None:
        """One interval's end."""
        self._on_begun()
        member, values = line["member"], line["values"]
        told = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        fitness = "no score" if line["fitness"] is None else f"score {line['fitness']:.2f}"
        self._say(f"member {member}: {line['spent']:,} of {self._work.config.steps:,} steps, {fitness}, {told}")
        if member not in self._files:
            folder = self._work.out / f"member-{member:02d}"
            self._files[member] = open_scalars(folder, self._now_s(), self._work.tensorboard, from_step=line["spent"])
        scalars = {f"value/{name}": float(value) for name, value in values.items()} | line["metrics"]
        if line["fitness"] is not None:
            scalars["fitness"] = line["fitness"]
        self._files[member].add(self._now_s(), line["spent"], scalars)

    def _now_s(self) -> float:
        return self._clock.wall_utc_ns() * 1e-9

    def close(self) -> None:
        """End the files."""
        for file in self._files.values():
            file.close()


def _drawn(out: Path, book: Book, asked: dict[str, Any], say: Say) -> None:
    """Draw the lineage where there is one and matplotlib is installed."""
    population = book.load(asked)
    if population is None or not (out / CURVE).exists():
        return
    lines = [json.loads(line) for line in (out / CURVE).read_text(encoding="utf-8").splitlines()]
    newest = {(line["member"], line["intervals"]): line for line in lines}
    try:
        draw(list(newest.values()), population.lineage, out / LINEAGE)
    except SettingsError as error:
        say(str(error))
