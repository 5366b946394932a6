"""The picture of a population's lineage."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.training.population.book import MemoryBook
from agent.training.population.plot import draw
from tests.training.population.toys import TWO, Spy, run


def test_it_draws_members_copies_and_values(tmp_path: Path) -> None:
    book = MemoryBook()
    population = run(TWO, Spy(), book, members=4)
    draw(book.lines, population.lineage, tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert drawn.count('<g id="axes_') == 2  # fitness, and one value
    draw(book.lines, [e for e in population.lineage if e.kind != "copy"], tmp_path / "b.svg")
    assert len(drawn) > len((tmp_path / "b.svg").read_text(encoding="utf-8")), "copies are not drawn"


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match="plots"):
        draw([], [], tmp_path / "a.png")
