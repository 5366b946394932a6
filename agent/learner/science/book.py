"""The book of runs: a SQLite database with one row a run, its menus and what followed; one file for each game.

Every call opens and closes it, so that several processes add to one book, and books of several machines are read
together. A run is in it once, whoever adds it. Calls block on the disk and raise RecordingError.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.cards.menu import RunRecord
from agent.core.errors import RecordingError

FOLDER: Final = "cards"
FORMAT: Final = 1
PATIENCE_S: Final = 10.0
"""How long one process waits for another that writes."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY, ended_utc_ns INTEGER NOT NULL, menus INTEGER NOT NULL, body BLOB NOT NULL
)"""
_DECODER: Final = msgspec.msgpack.Decoder(RunRecord)


def book_path(weights_dir: Path, game: str) -> Path:
    """Where the book of a game lies: beside its weights. Games that are reached by an address share one book."""
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in game.partition("://")[0].lower())
    return weights_dir / FOLDER / f"{name or 'game'}.sqlite"


class Book:
    """The runs of one file; it is made by the first `add`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, runs: Iterable[RunRecord]) -> int:
        """Write runs that are not in it yet; how many there were."""
        rows = [(r.run, r.ended_utc_ns, len(r.menus), msgspec.msgpack.encode(r)) for r in runs]
        if not rows:
            return 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"{self.path.parent}: {error.strerror or error}; runs are not kept") from error
        with self._open() as db:
            db.execute(_SCHEMA)
            db.execute(f"PRAGMA user_version = {FORMAT}")
            before = db.total_changes
            db.executemany("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", rows)
            return int(db.total_changes - before)

    def runs(self) -> Iterator[RunRecord]:
        """All runs, the first that ended first; none where there is no file."""
        yield from merged([self])

    def _bodies(self) -> list[tuple[int, str, bytes]]:
        if not self.path.is_file():
            return []
        with self._open() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > FORMAT:
                raise RecordingError(f"{self.path}: a book of format {version}; this program reads {FORMAT}")
            return list(db.execute("SELECT ended_utc_ns, run, body FROM runs"))

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            db = sqlite3.connect(self.path, timeout=PATIENCE_S)
            try:
                with db:
                    yield db
            finally:
                db.close()
        except sqlite3.Error as error:
            raise RecordingError(f"{self.path}: {error}; move it away to begin a new book of cards") from error


def merged(books: Iterable[Book]) -> Iterator[RunRecord]:
    """The runs of several books in the order in which they ended, each once; RecordingError for a damaged row."""
    seen: set[str] = set()
    rows = sorted((row, book.path) for book in books for row in book._bodies())
    for (_, run, body), path in rows:
        if run in seen:
            continue
        seen.add(run)
        try:
            yield _DECODER.decode(body)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise RecordingError(f"{path}: run {run} is damaged: {error}") from error
