"""What a population's folder keeps: a kill at any moment loses the intervals under way, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.training.population.book import POPULATION, Book, MemoryBook
from agent.training.population.contract import Done, Interval
from tests.training.population.toys import TWO, Spy, run


def test_a_restart_loses_at_most_the_intervals_under_way(tmp_path: Path) -> None:
    class Cut(Spy):
        async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
            if len(self.orders) == 13:
                raise RuntimeError("as a kill: nothing is tidied up")
            return await super().run(order, state)

    with pytest.raises(ExceptionGroup):
        run(TWO, Cut(), Book(tmp_path))
    kept = Book(tmp_path).load({})
    assert kept is not None and sum(m.intervals for m in kept.members) == 13
    spy = Spy()
    resumed = run(TWO, spy, Book(tmp_path))
    assert len(spy.orders) == 40 - 13
    assert [m.scores for m in resumed.members] == [m.scores for m in run(TWO, Spy(), MemoryBook()).members]


def test_another_population_is_not_gone_on_with(tmp_path: Path) -> None:
    run(TWO, Spy(), Book(tmp_path), members=2, asked={"game": "a"})
    with pytest.raises(SettingsError, match="asked for"):
        run(TWO, Spy(), Book(tmp_path), members=2, asked={"game": "b"})


def test_states_that_nothing_names_are_removed(tmp_path: Path) -> None:
    population = run(TWO, Spy(), Book(tmp_path))
    named = {m.state for m in population.members} | {population.best_state}
    assert {path.name for path in (tmp_path / "states").iterdir()} == named


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    run(TWO, Spy(), Book(tmp_path), members=2)
    path = tmp_path / POPULATION
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SettingsError, match="is damaged"):
        Book(tmp_path).load({})
