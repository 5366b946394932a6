"""The scheduler of a population: Ray's toy and both of its halves, what hangs Ray's scheduler, losses and restarts."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.training.population.book import Book, MemoryBook
from agent.training.population.scheduler import Asked
from tests.training.population.toys import TWO, Spy, run
from tools.bench.population.toy import CONFIG, constant, played, table

SEEDS = 5


def test_the_toy_learns_more_with_both_halves_than_with_the_best_constant_and_with_either() -> None:
    both = np.mean([played(seed) for seed in range(SEEDS)])
    assert both >= 1.5 * max(constant(lr, SEEDS) for lr in np.geomspace(1e-3, 1e-2, 6))
    assert both > np.mean([played(seed, halves="weights") for seed in range(SEEDS)])
    assert both > 1.5 * np.mean([played(seed, halves="values") for seed in range(SEEDS)])
    assert both > 1.5 * np.mean([played(seed, explore=False) for seed in range(SEEDS)])


def test_the_table_says_whether_the_aims_are_reached() -> None:
    found = table(1)
    assert set(found["arms"]) == {"none", "values alone", "weights alone", "both"}
    assert found["ratio"] > 0 and isinstance(found["passed"], bool)


def test_turns_are_fair_by_steps() -> None:
    spy = Spy()
    run(TWO, spy, MemoryBook())
    assert [order.member for order in spy.orders] == list(range(8)) * 5


def test_each_group_is_compared_after_its_own_intervals() -> None:
    book = MemoryBook()
    population = run(msgspec.structs.replace(TWO, steps=400), Spy(), book)
    at = {
        group: {e.spent for e in population.lineage if e.kind == "copy" and e.member // 4 == group} for group in (0, 1)
    }
    assert at[1] and all(spent % 80 == 0 for spent in at[1])
    assert any(spent % 80 for spent in at[0])


def test_a_copy_takes_weights_and_is_judged_by_what_it_plays_itself() -> None:
    book, spy = MemoryBook(), Spy()
    population = run(msgspec.structs.replace(TWO, window=20), spy, book)
    copy = next(e for e in population.lineage if e.kind == "copy")
    assert copy.parent_fitness is not None and copy.fitness is not None and copy.parent_fitness > copy.fitness
    own = [k for k, line in enumerate(book.lines) if line["member"] == copy.member]
    before, after = next((k, n) for k, n in pairwise(own) if book.lines[k]["spent"] == copy.spent)
    parent = [k for k, line in enumerate(book.lines[:before]) if line["member"] == copy.parent][-1]
    assert spy.began[after] == spy.left[parent] != spy.left[before]
    assert book.lines[after]["values"] == copy.values
    assert book.lines[after]["fitness"] == pytest.approx(np.mean(spy.done[after].scores), abs=1e-4)


def test_all_that_are_due_at_once_go_on() -> None:
    """Ray 23424: all trials paused for ever."""
    spy = Spy(places=8)
    population = run(msgspec.structs.replace(CONFIG, steps=200), spy, MemoryBook())
    assert all(m.spent == 200 for m in population.members)
    assert any(e.kind == "copy" for e in population.lineage)


def test_a_population_that_is_taken_up_again_ends(tmp_path: Path) -> None:
    """Ray 48616: restored in synchronous mode, it waits for ever for trials that are over."""
    spy = Spy(fails=tuple(range(20, 40)))
    with pytest.raises(ExceptionGroup):
        run(TWO, spy, Book(tmp_path), members=6)
    kept = Book(tmp_path).load({})
    assert kept is not None and 0 < sum(m.spent for m in kept.members) < 600
    again = run(TWO, Spy(), Book(tmp_path), members=6)
    assert all(m.spent == 100 for m in again.members)


def test_nobody_copies_a_member_without_a_state() -> None:
    """Ray 27170: a trial without a checkpoint is exploited, and the run fails."""
    spy = Spy(broken=(0, 1, 2))
    population = run(TWO, spy, MemoryBook(), members=4)
    states = {(e.parent, e.spent) for e in population.lineage if e.kind == "copy"}
    assert states and all(parent == 3 or spent > 40 for parent, spent in states)
    assert all(m.spent == 100 for m in population.members)


def test_where_all_break_down_they_begin_anew() -> None:
    population = run(TWO, Spy(broken=(0, 1)), MemoryBook(), members=2)
    assert [e.kind for e in population.lineage].count("restart") >= 2
    assert all(m.steps == 60 and math.isfinite(np.mean(m.scores)) for m in population.members)


def test_a_lost_interval_is_done_again_from_the_same_state() -> None:
    spy, plain = Spy(fails=(11, 12)), Spy()
    lost, whole = run(TWO, spy, MemoryBook()), run(TWO, plain, MemoryBook())
    assert len(spy.orders) == len(plain.orders) + 2
    assert [m.scores for m in lost.members] == [m.scores for m in whole.members]
    assert not spy.orders[11].continues


def test_a_share_of_the_changes_is_proposed_and_cut() -> None:
    asked: list[Asked] = []

    async def propose(told: Asked) -> dict[str, float]:
        asked.append(told)
        return {"lr": 7.0}

    config = msgspec.structs.replace(CONFIG, steps=1000)
    population = run(config, Spy(), MemoryBook(), propose=propose)
    copies = [e for e in population.lineage if e.kind == "copy"]
    by_model = [e for e in copies if e.by == "llm"]
    assert len(by_model) == len(asked) and 0.1 < len(by_model) / len(copies) < 0.5
    assert {e.values["lr"] for e in by_model} == {0.02}
    assert len(asked[0].members) == 8 and asked[0].total == 8000


def test_without_an_answer_the_search_goes_on_by_itself() -> None:
    async def silent(told: Asked) -> None:
        return None

    population = run(TWO, Spy(), MemoryBook(), propose=silent)
    assert {e.by for e in population.lineage} == {"start", "search"}
