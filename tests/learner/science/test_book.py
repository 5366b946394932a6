"""The book of runs: whole, once, in order, of several processes and machines; damage is one clear line."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from agent.core.errors import RecordingError
from agent.learner.science.book import Book, book_path, merged
from tests.learner.science.runs import run_of


def test_a_run_comes_back_as_it_was_and_is_in_the_book_once(tmp_path: Path) -> None:
    book = Book(tmp_path / "deep" / "arena.sqlite")
    assert list(book.runs()) == [] and book.add([]) == 0 and not book.path.parent.exists()
    runs = [run_of(k, menus=2) for k in (3, 1, 2)]
    assert book.add(runs) == 3 and book.add(runs[:2]) == 0
    assert list(book.runs()) == [runs[1], runs[2], runs[0]], "in the order in which they ended"


def test_books_of_several_machines_are_read_as_one(tmp_path: Path) -> None:
    here, there = Book(tmp_path / "a.sqlite"), Book(tmp_path / "b.sqlite")
    here.add([run_of(1, menus=1), run_of(4, menus=1)])
    there.add([run_of(2, menus=1), run_of(4, menus=1)])
    assert [run.run for run in merged([here, there, Book(tmp_path / "none.sqlite")])] == ["run 1", "run 2", "run 4"]


def _add(path: str, first: int) -> None:
    for k in range(first, first + 10):
        Book(Path(path)).add([run_of(k, menus=1)])


def test_two_processes_add_to_one_book(tmp_path: Path) -> None:
    context, path = multiprocessing.get_context("fork"), tmp_path / "arena.sqlite"
    others = [context.Process(target=_add, args=(str(path), first)) for first in (0, 100)]
    for process in others:
        process.start()
    for process in others:
        process.join(60)
    assert [p.exitcode for p in others] == [0, 0] and len(list(Book(path).runs())) == 20


def test_damage_and_a_later_format_are_said(tmp_path: Path) -> None:
    book = Book(tmp_path / "arena.sqlite")
    book.add([run_of(1, menus=1)])
    db = sqlite3.connect(book.path)
    with db:
        db.execute("UPDATE runs SET body = x'00'")
    db.close()
    with pytest.raises(RecordingError, match="run run 1 is damaged"):
        list(book.runs())
    db = sqlite3.connect(book.path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(RecordingError, match="format 9"):
        list(book.runs())
    book.path.write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(RecordingError, match=r"arena\.sqlite: .*move it away"):
        list(book.runs())
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="runs are not kept"):
        Book(tmp_path / "file" / "x" / "b.sqlite").add([run_of(1)])


@pytest.mark.parametrize(
    ("game", "name"),
    [
        ("arena", "arena"),
        ("bonklink://127.0.0.1:5560", "bonklink"),
        ("../../x", ".._.._x"),
        ("", "game"),
        ("A b", "a_b"),
    ],
)
def test_a_book_lies_beside_the_weights_under_the_games_name(game: str, name: str) -> None:
    assert book_path(Path("w"), game) == Path("w/cards") / f"{name}.sqlite"
