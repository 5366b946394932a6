"""Keep one process alive on this machine, also across the death of whoever keeps it.

The process has a session of its own and is known by a file: who keeps it next finds it there and goes on, so that play
does not end with Ray. A process that ends is started again, later each time. Owns the file; knows nothing of Ray.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from agent.core.clock import Clock
from agent.core.files import write_atomically

BACKOFF_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
"""Before a process is started again, by how often it ended soon after its start."""
SOON_S: Final = 20.0
STOP_S: Final = 20.0


class _Known(msgspec.Struct, frozen=True):
    """A process that was started: its number, and when the system says that it began, in seconds of its own clock."""

    pid: int
    began_s: float
    words: list[str]


class Keeper:
    """Keeps `words` running under `name`. env: beside what this process has."""

    def __init__(
        self, name: str, words: Sequence[str], folder: Path, clock: Clock, *, env: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.starts, self.adopted = name, 0, 0
        self._words, self._folder, self._clock = list(words), folder, clock
        self._env = dict(env or {})
        self._path = folder / f"{name}.json"
        self._process: psutil.Process | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._began_s, self._soon, self._again_s = 0.0, 0, 0.0

    def ensure(self) -> bool:
        """Start the process where it does not run, once it is time; True where it runs."""
        if self.is_up:
            return True
        now_s = self._clock.now_s()
        if self._process is not None:  # it ran and ended
            self._soon = self._soon + 1 if now_s - self._began_s < SOON_S else 0
            self._again_s = now_s + BACKOFF_S[min(self._soon, len(BACKOFF_S) - 1)]
            self._process = None
        if now_s < self._again_s:
            return False
        self._process = self._adopt() or self._start()
        self._began_s = now_s
        return True

    @property
    def is_up(self) -> bool:
        """True while the process runs."""
        if self._child is not None and self._child.poll() is not None:
            return False
        return self._process is not None and _runs(self._process)

    @property
    def pid(self) -> int:
        """Its number, 0 where it does not run."""
        return self._process.pid if self._process is not None and self.is_up else 0

    def _adopt(self) -> psutil.Process | None:
        """The process that an earlier keeper started with the same words, where it still runs."""
        found = self.found()
        if found is None or self._read().words != self._words:
            if found is not None:  # another command under this name: it makes room
                _end(found)
            return None
        self.adopted += 1
        self._child = None
        return found

    def found(self) -> psutil.Process | None:
        """The process that the file names, where it still runs."""
        known = self._read()
        try:
            process = psutil.Process(known.pid) if known.pid else None
        except psutil.Error:
            return None
        same = process is not None and abs(process.create_time() - known.began_s) < 1.0
        return process if same and process is not None and _runs(process) else None

    def _read(self) -> _Known:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Known)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return _Known(0, 0.0, [])

    def _start(self) -> psutil.Process:
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"{self.name}.log"
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                self._words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, **self._env},
            )  # fmt: skip
        self.starts += 1
        process = psutil.Process(self._child.pid)
        write_atomically(self._path, msgspec.json.encode(_Known(process.pid, process.create_time(), self._words)))
        return process

    def stop(self) -> None:
        """End the process, politely first."""
        process = self._process or self.found()
        if process is not None:
            _end(process)
        if self._child is not None:
            self._child.wait()
        self._process, self._child = None, None
        self._path.unlink(missing_ok=True)

    def status(self) -> dict[str, Any]:
        """Whether it runs, its number, how often it was started and found running."""
        return {"name": self.name, "up": self.is_up, "pid": self.pid, "starts": self.starts, "adopted": self.adopted}


def agent_words(*words: str) -> list[str]:
    """The command line of this program."""
    return [sys.executable, "-m", "agent", *words]


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _end(process: psutil.Process) -> None:
    """End a process and what it started."""
    try:
        below = process.children(recursive=True)
        process.terminate()
        process.wait(STOP_S)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.Error:
        return
    for child in below:
        try:
            child.kill()
        except psutil.Error:
            continue
