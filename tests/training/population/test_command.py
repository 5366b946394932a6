"""The command `population`: a folder that is gone on with, and the best member in the store."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.learning.population import Range
from agent.planning.backend import LlmConfig
from agent.store.store import WeightsStore
from agent.training.population.book import Population
from agent.training.population.command import PopulationWork, run_population
from agent.training.population.config import PopulationConfig
from agent.training.population.contract import Done, Interval, Seal, Sealed
from agent.training.population.work import Worker
from tests.training.population.members import GAME

CONFIG = PopulationConfig(steps=2048, interval=1024, periods=(1,), search={"lr": Range(1e-3, 2e-3)})


class Here:
    """Members train in this process, after which the runner may be `cut`."""

    places = 1

    def __init__(self, work: PopulationWork, cut: int = 100) -> None:
        self.worker, self.cut = Worker(work.task), cut

    async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        self.cut -= 1
        if self.cut < 0:
            raise RuntimeError("as a kill")
        return self.worker.run(order, state)

    async def seal(self, order: Seal, state: bytes) -> tuple[Sealed, bytes]:
        return self.worker.seal(order, state)

    def close(self) -> None:
        pass


def ran(work: PopulationWork, folder: Path, cut: int = 100) -> tuple[Population, str]:
    console = Console(record=True, width=200, file=io.StringIO())
    found = run_population(
        work, WeightsStore(folder / "weights"), LlmConfig(backend="builtin"), SystemClock(), console, wants_llm=False,
        runner=Here(work, cut),
    )  # fmt: skip
    return found, console.export_text()


def test_a_population_is_cut_gone_on_with_and_published(tmp_path: Path) -> None:
    work = PopulationWork(game=GAME, members=2, config=CONFIG, out=tmp_path / "p", tensorboard=True)
    with pytest.raises(RuntimeError):
        ran(work, tmp_path, cut=2)
    with pytest.raises(SettingsError, match="--resume"):
        ran(work, tmp_path)
    population, said = ran(msgspec.structs.replace(work, resume=True), tmp_path)
    assert [m.intervals for m in population.members] == [2, 2] and said.count(" of 2,048 steps") == 2
    assert "the best member is version 1" in said
    stored = WeightsStore(tmp_path / "weights").current("flat-CartPole-v1")
    assert stored is not None and stored.manifest.notes["fitness"] == population.best_fitness
    assert (tmp_path / "p" / "lineage.png").stat().st_size > 1000
    assert list((tmp_path / "p").glob("member-0*/events.out.tfevents.*"))
    assert len((tmp_path / "p" / "curve.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"game": "chess"}, "--game chess"),
        ({"members": 1}, "--members"),
        ({"processes": 0}, "--processes"),
        ({"begin": Path("a")}, "--begin"),
        ({"game": "arena", "demos": (Path("a"),)}, "--demos"),
        ({"config": msgspec.structs.replace(CONFIG, search={"level": Range(0.1, 1.0)})}, "search.level"),
    ],  # fmt: skip
)
def test_what_cannot_be_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    work = PopulationWork(game=GAME, members=2, config=CONFIG, out=tmp_path / "p")
    with pytest.raises(SettingsError, match=said):
        ran(msgspec.structs.replace(work, **change), tmp_path)
