"""What a population's folder keeps: who is who, whom everybody came from, and each member's state.

`population.json` names complete states at every instant: a state is written under a new name first, then the file that
names it is replaced, then what nothing names is removed. A kill at any moment loses the intervals under way.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.files import read_text, sync_folder, write_atomically
from agent.learning.population import Value

POPULATION: Final = "population.json"
CURVE: Final = "curve.jsonl"
STATES: Final = "states"
MAX_BYTES: Final = 1 << 28


class Member(msgspec.Struct, forbid_unknown_fields=True):
    """One place of the population. steps: of its weights, from their beginning; spent: that were trained in its place.

    intervals: that it has done; since: after it was last compared. scores: of its newest measured episodes. broken: its
    training broke down, and it is to copy another. state: the file's name, "" before the first interval.
    """

    number: int
    group: int
    seed: int
    values: dict[str, Value]
    steps: int = 0
    spent: int = 0
    intervals: int = 0
    since: int = 0
    scores: list[float] = []
    broken: bool = False
    continues: bool = False
    state: str = ""


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a member's weights and values came from; kind `begin`, `copy` or `restart`. parent −1: nobody.

    spent: steps of the member's place then. by: who set the values: start, search or llm.
    """

    kind: str
    member: int
    spent: int
    parent: int
    values: dict[str, Value]
    by: str
    fitness: float | None = None
    parent_fitness: float | None = None


class Population(msgspec.Struct, forbid_unknown_fields=True):
    """All that a resumed population needs beside the states. asked: what it is of."""

    asked: dict[str, Any]
    members: list[Member]
    lineage: list[Event]
    best: int | None = None
    best_fitness: float | None = None
    best_state: str = ""


class Book:
    """Keeps a population in a folder; `MemoryBook` keeps it in memory alone. `blocks`: it waits for the disk."""

    blocks = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, asked: dict[str, Any]) -> Population | None:
        """What is kept, None where nothing is; raises SettingsError where it is of another population or damaged."""
        path = self.folder / POPULATION
        if not path.exists():
            return None
        try:
            found = msgspec.json.decode(read_text(path, MAX_BYTES), type=Population)
        except (msgspec.DecodeError, ValueError) as error:
            raise SettingsError(f"{path}: is damaged: {error}; move it away") from error
        if found.asked != asked:
            raise SettingsError(f"--resume {path}: holds {found.asked}, asked for {asked}; name another --out")
        return found

    def keep(self, population: bytes, states: dict[str, bytes], line: dict[str, Any] | None) -> None:
        """Write new states, then the population, as JSON, then a line of the curve; raises SettingsError."""
        home = self.folder / STATES
        try:
            home.mkdir(parents=True, exist_ok=True)
            for name, state in states.items():
                write_atomically(home / name, state)
            write_atomically(self.folder / POPULATION, population)
            sync_folder(self.folder)
            if line is not None:
                with (self.folder / CURVE).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            named = _named(population)
            for path in home.iterdir():
                if path.suffix == ".safetensors" and path.name not in named:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(
                f"--out {self.folder}: {error.strerror or error}; what was kept before stays"
            ) from error

    def state(self, name: str) -> bytes:
        """A state that is named; b"" for the beginning. Raises SettingsError."""
        if not name:
            return b""
        try:
            return (self.folder / STATES / name).read_bytes()
        except OSError as error:
            raise SettingsError(f"{self.folder / STATES / name}: {error.strerror or error}") from error


def _named(population: bytes) -> set[str]:
    """The states that a population names."""
    found = msgspec.json.decode(population, type=Population)
    return {member.state for member in found.members} | {found.best_state}


class MemoryBook(Book):
    """A book of one process's life: for tests and toys."""

    blocks = False

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.kept: bytes = b""
        self.lines: list[dict[str, Any]] = []
        self._states: dict[str, bytes] = {}

    def load(self, asked: dict[str, Any]) -> Population | None:
        """What is kept."""
        return msgspec.json.decode(self.kept, type=Population) if self.kept else None

    def keep(self, population: bytes, states: dict[str, bytes], line: dict[str, Any] | None) -> None:
        """Keep it."""
        named = _named(population)
        self._states = {name: s for name, s in (self._states | states).items() if name in named}
        self.kept = population
        if line is not None:
            self.lines.append(line)

    def state(self, name: str) -> bytes:
        """A state that is named."""
        return self._states[name] if name else b""
