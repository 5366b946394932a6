"""The history of runs: one row of a SQLite database for each recorded session, kept true to the files beside it.

The database is a list, never the only place of anything: where it is damaged it is set aside with the reason, and made
again from the recordings. Every call opens and closes it, so that several processes share it. Calls block on the disk
and raise RecordingError.
"""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from filelock import FileLock

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.core.files import write_atomically
from agent.journal.read import header_of_recording
from agent.journal.records import WEIGHTS, SessionHeader
from agent.journal.recover import is_live
from agent.journal.segment import PART

NAME: Final = "runs.sqlite"
PATIENCE_S: Final = 5.0
"""How long one process waits for another that writes."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
    folder TEXT PRIMARY KEY, began_utc_s REAL NOT NULL, game TEXT NOT NULL, games INTEGER NOT NULL,
    policy TEXT NOT NULL, weights TEXT NOT NULL DEFAULT '', episodes INTEGER, score REAL,
    measure TEXT NOT NULL DEFAULT '', length_s REAL NOT NULL DEFAULT 0, is_over INTEGER NOT NULL DEFAULT 0
)"""
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
T = TypeVar("T")


class Progress(msgspec.Struct, frozen=True):
    """How far a run has come.

    weights: SHA-256 of those that acted last, empty without. score: the mean of `measure` (`score_s`, or
    `episode_return` in a game with a reward of its own) over the finished episodes, None without one.
    """

    length_s: float
    weights: str = ""
    episodes: int = 0
    score: float | None = None
    measure: str = ""


class Run(msgspec.Struct, frozen=True):
    """One row. episodes is None where only the recording is known. state: see `state_of`."""

    folder: Path
    began_utc_s: float
    game: str
    games: int
    policy: str
    weights: str
    episodes: int | None
    score: float | None
    measure: str
    length_s: float
    state: str


class History:
    """The runs of a folder of recordings, and of recordings elsewhere that were made with its settings."""

    def __init__(self, recordings: Path) -> None:
        self.path = recordings / NAME
        self.set_aside: Path | None = None
        """Where a damaged database went, None where none was met."""

    def begin(self, folder: Path, header: SessionHeader) -> None:
        """Add a run that begins, in the place of one that was recorded into the same folder."""

        def add(db: sqlite3.Connection) -> None:
            _delete(db, folder)
            _insert(db, folder, header)

        self._do(add)

    def update(self, folder: Path, header: SessionHeader, progress: Progress, *, is_over: bool = False) -> None:
        """Say how far a run has come, which is added where the database is another now; is_over: it ended in order."""
        values = (progress.length_s, progress.weights, progress.episodes, progress.score, progress.measure, is_over)

        def change(db: sqlite3.Connection) -> None:
            _insert(db, folder, header)
            db.execute(
                "UPDATE runs SET length_s=?, weights=?, episodes=?, score=?, measure=?, is_over=? WHERE folder=?",
                (*values, str(folder.resolve())),
            )

        self._do(change)

    def forget(self, folder: Path) -> None:
        """Take a run out of which nothing is kept."""
        self._do(lambda db: _delete(db, folder))

    def runs(self) -> list[Run]:
        """All runs, oldest first, after the recordings that the database does not know were added to it."""
        if not self.path.parent.is_dir():
            return []
        rows = self._do(self._reconciled)
        return [
            Run(folder, began, game, games, policy, weights, episodes, score, measure, length, state_of(folder, over))
            for name, began, game, games, policy, weights, episodes, score, measure, length, over in rows
            for folder in [Path(name)]
        ]

    def _reconciled(self, db: sqlite3.Connection) -> list[tuple[Any, ...]]:
        known = {name for (name,) in db.execute("SELECT folder FROM runs")}
        for folder in sorted({path.parent.resolve() for path in self.path.parent.glob("*/segment-*")}):
            if str(folder) not in known:
                _add_found(db, folder)
        return list(db.execute("SELECT * FROM runs ORDER BY began_utc_s, folder"))

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do one thing in one transaction; a damaged database is set aside first, and the thing done in a new one."""
        try:
            try:
                return self._in_transaction(work)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(str(error))
                return self._in_transaction(work)
        except (sqlite3.Error, OSError) as error:
            raise RecordingError(f"{self.path}: the history of runs cannot be used: {error}") from error

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._opened() as db, db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(_SCHEMA)
            return work(db)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            yield db
        finally:
            db.close()

    def _set_aside(self, reason: str) -> None:
        """Rename a damaged database, once: another process may have done it meanwhile."""
        with FileLock(f"{self.path}.lock", timeout=PATIENCE_S):
            try:
                with self._opened() as db:
                    found = db.execute("PRAGMA quick_check").fetchone()
                if found == ("ok",):
                    return
                reason = str(found[0])
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
            now = datetime.datetime.fromtimestamp(SystemClock().wall_utc_ns() * 1e-9, datetime.UTC)
            aside = self.path.with_name(f"{NAME}.damaged-{now:%Y%m%d-%H%M%S-%f}")
            for tail in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    self.path.with_name(NAME + tail).rename(aside.with_name(aside.name + tail))
            self.path.rename(aside)
            write_atomically(aside.with_name(f"{aside.name}.reason"), f"{reason}\n")
            self.set_aside = aside


def state_of(folder: Path, is_over: bool) -> str:
    """What there is of a run's recording: being recorded, whole, torn (it can be recovered), killed, or dropped.

    killed: recovered since, but its session did not end in order. dropped: the files are gone.
    """
    files = list(folder.glob("segment-*.mcap*"))
    if not files:
        return "dropped"
    if is_live(folder):
        return "being recorded"
    if any(file.suffix == PART for file in files):
        return "torn"
    return "whole" if is_over else "killed"


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _delete(db: sqlite3.Connection, folder: Path) -> None:
    db.execute("DELETE FROM runs WHERE folder=?", (str(folder.resolve()),))


def _insert(db: sqlite3.Connection, folder: Path, header: SessionHeader) -> None:
    db.execute(
        "INSERT OR IGNORE INTO runs (folder, began_utc_s, game, games, policy) VALUES (?, ?, ?, ?, ?)",
        (str(folder.resolve()), header.began_utc_ns * 1e-9, header.game, len(header.games), header.policy),
    )


def _add_found(db: sqlite3.Connection, folder: Path) -> None:
    """Add a run that only its recording tells of; one that cannot be read is left to `recordings list`."""
    try:
        header = header_of_recording(folder)
        ended_s = max((path.stat().st_mtime for path in folder.glob("segment-*")), default=0.0)
        kept = sorted((folder / WEIGHTS).glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        is_torn = any(folder.glob(f"segment-*{PART}"))
    except (RecordingError, OSError):
        return
    _insert(db, folder, header)
    length_s, weights = max(0.0, ended_s - header.began_utc_ns * 1e-9), kept[-1].stem if kept else ""
    db.execute(
        "UPDATE runs SET length_s=?, weights=?, is_over=? WHERE folder=?",
        (length_s, weights, not is_torn, str(folder.resolve())),
    )
