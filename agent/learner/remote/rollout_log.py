"""The rollout log: which pushed rollouts were taken, begun and done with, on disk before anybody is told.

A rollout is `taken` (its arrays and its line are synced: it may be acknowledged), then `begun` (synced before it is
applied, so that no restart applies it again), then `done`. One that was begun and not done when the process died was
applied or not: it is `lost`, and never applied again. One that was only taken waits for the next start.

`log.jsonl` has one entry a line, behind its CRC-32; a last line that is not whole is cut off. `N.rollout` are the
arrays of those that wait. One process holds a log. Owns both files; calls block on the disk.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Final, Literal

import msgspec
from filelock import FileLock, Timeout

from agent.core.errors import SettingsError, WeightsError
from agent.core.files import sync_folder, write_atomically

KEEP: Final = 1 << 16
"""Rollouts that are remembered; one that comes again after so many others is too old to be applied."""
COMPACT_BYTES: Final = 32 << 20
Step = Literal["taken", "old", "begun", "done", "refused", "lost"]
_sync: Final = getattr(os, "fdatasync", os.fsync)
"""Windows has the latter alone."""
FINAL: Final = frozenset({"old", "done", "refused", "lost"})


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: a rollout's id and what became of it; the rest stands where it was taken.

    file: the number of its arrays' file. why: it was refused, old or lost.
    """

    id: str
    step: Step
    policy: str = ""
    instance: str = ""
    version: int = -1
    steps: int = 0
    file: int = 0
    why: str = ""


def as_line(entry: Entry) -> bytes:
    """An entry as the log writes it."""
    text = msgspec.json.encode(entry)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_entries(path: Path) -> tuple[list[Entry], int]:
    """The entries of a log up to the first line that is damaged or not whole, and the bytes that they take."""
    entries, good = [], 0
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    for line in data.splitlines(keepends=True):
        head, _, text = line.rstrip(b"\n").partition(b" ")
        try:
            if not line.endswith(b"\n") or int(head, 16) != zlib.crc32(text):
                break
            entries.append(msgspec.json.decode(text, type=Entry))
        except (ValueError, msgspec.DecodeError, msgspec.ValidationError):
            break
        good += len(line)
    return entries, good


class RolloutLog:
    """What became of every pushed rollout. `counts`: entries of each step, read and written."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}
        self._keep = keep
        self._path = folder / "log.jsonl"
        self._lock = FileLock(folder / "log.lock", thread_local=False)
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._handle = -1
        self._bytes = 0
        self._next = 1

    def open(self) -> list[Entry]:
        """Recover, and hold the log; those that wait to be applied, in order.

        Raises SettingsError where another process holds it, WeightsError where the disk refuses.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise SettingsError(
                f"{self.folder}: another learner works here; end it, or set METABONK_WEIGHTS_DIR"
            ) from error
        except OSError as error:
            raise WeightsError(f"{self.folder}: {error.strerror or error}") from error
        try:
            return self._recover()
        except OSError as error:
            self.close()
            raise WeightsError(f"{self._path}: {error.strerror or error}") from error

    def _recover(self) -> list[Entry]:
        entries, good = read_entries(self._path)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fstat(self._handle).st_size > good:
            with contextlib.suppress(OSError):
                self._path.with_suffix(".damaged").write_bytes(self._path.read_bytes()[good:])
            os.ftruncate(self._handle, good)
            os.fsync(self._handle)
        self._bytes = good
        for entry in entries:
            self._remember(entry)
            self._next = max(self._next, entry.file + 1)
        for entry in [e for e in self._entries.values() if e.step == "begun"]:
            self._append(Entry(entry.id, "lost", why="the learner ended while it was applied"), sync=False)
        waiting = [e for e in self._entries.values() if e.step == "taken"]
        for entry in [e for e in waiting if not self._file(e.file).exists()]:
            self._append(Entry(entry.id, "lost", why="its arrays are gone"), sync=False)
            waiting.remove(entry)
        _sync(self._handle)
        kept = {self._file(e.file).name for e in waiting}
        for path in self.folder.glob("*.rollout"):
            if path.name not in kept:
                path.unlink(missing_ok=True)
        self._compact()
        return waiting

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:010d}.rollout"

    def _remember(self, entry: Entry) -> None:
        """Know the newest step of a rollout, with what its first line said."""
        self.counts[entry.step] = self.counts.get(entry.step, 0) + 1
        before = self._entries.get(entry.id)
        if before is not None:
            entry = msgspec.structs.replace(before, step=entry.step, why=entry.why)
        self._entries[entry.id] = entry
        while len(self._entries) > self._keep:
            oldest = next(iter(self._entries))
            if self._entries[oldest].step not in FINAL:
                break
            del self._entries[oldest]

    def _append(self, entry: Entry, *, sync: bool) -> None:
        """Write a line whole or not at all; raises OSError."""
        line, written = as_line(entry), 0
        try:
            while written < len(line):
                written += os.write(self._handle, line[written:])
            if sync:
                _sync(self._handle)
        except OSError:
            os.ftruncate(self._handle, self._bytes)
            raise
        self._bytes += len(line)
        self._remember(entry)

    def _compact(self) -> None:
        """Write a log that has become large anew, with the last step of those that are remembered."""
        if self._bytes < COMPACT_BYTES:
            return
        data = b"".join(as_line(entry) for entry in self._entries.values())
        write_atomically(self._path, data)
        os.close(self._handle)
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND, 0o600)
        self._bytes = len(data)

    def step_of(self, rollout_id: str) -> str:
        """The newest step of a rollout, "" where it is not known."""
        entry = self._entries.get(rollout_id)
        return "" if entry is None else entry.step

    def take(self, entry: Entry, payload: bytes) -> Entry:
        """Write a rollout's arrays and its line, both synced; raises OSError, and then it is not taken."""
        number, self._next = self._next, self._next + 1
        path, taken = self._file(number), msgspec.structs.replace(entry, step="taken", file=number)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(payload)
                file.flush()
                _sync(file.fileno())
            sync_folder(self.folder)
            self._append(taken, sync=True)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return taken

    def note(self, entry: Entry) -> None:
        """Write a line of a rollout that is not taken, synced; raises OSError."""
        self._append(entry, sync=True)

    def read(self, entry: Entry) -> bytes:
        """The arrays of a rollout that waits; raises OSError."""
        return self._file(entry.file).read_bytes()

    def begin(self, entry: Entry) -> None:
        """From now on it counts as applied, whatever happens; raises OSError."""
        self._append(Entry(entry.id, "begun"), sync=True)

    def end(self, entry: Entry, step: Step = "done", why: str = "") -> None:
        """It is done with; its arrays go. Raises OSError."""
        self._append(Entry(entry.id, step, why=why), sync=step != "done")
        self._file(entry.file).unlink(missing_ok=True)
        self._compact()

    def close(self) -> None:
        """Let another process hold it; safe where it was not opened."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._lock.release()
