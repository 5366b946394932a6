"""Rooms stay small, say what belongs in them, and have tests that mirror them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_FILES, MAX_LINES = 16, 3000
LARGE = {
    "agent/games/arena": "the rules and what shows them are read together, and their paths are hashed",
    "tools/bench": "one file a benchmark",
}
UNTESTED = Path(__file__).with_name("untested.txt")
SHARED_BY_ALL = ("agent", "agent/core", "kernels")
"""The bottom of the house and its root: their sentence says what they are, not what lies above them."""


def rooms(*roots: str) -> Iterator[Path]:
    """Every folder with Python in it."""
    for root in roots:
        for folder in sorted([ROOT / root, *(ROOT / root).rglob("*/")]):
            if folder.is_dir() and any(folder.glob("*.py")):
                yield folder


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_room_has_more_than_16_files_or_3000_lines() -> None:
    large = {}
    for room in rooms("agent", "kernels", "tests", "tools"):
        files = [p for p in room.glob("*.py") if p.name != "__init__.py"]
        lines = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in files)
        if _name(room) not in LARGE and (len(files) > MAX_FILES or lines > MAX_LINES):
            large[_name(room)] = (len(files), lines)
    assert not large
    assert all((ROOT / room).is_dir() for room in LARGE), "a room that is excused is gone"


def test_each_room_says_in_a_sentence_what_belongs_in_it_and_what_it_never_imports() -> None:
    """The first sentence says what belongs there; one sentence begins with "Never imports" or "No "."""
    silent = []
    for room in rooms("agent"):
        text = (room / "__init__.py").read_text(encoding="utf-8") if (room / "__init__.py").exists() else ""
        said = ast.get_docstring(ast.parse(text)) or ""
        if not re.match(r"[A-Z].{15,}?\.(\s|$)", said, re.S):
            silent.append(f"{_name(room)}: what belongs in it?")
        if _name(room) not in SHARED_BY_ALL and not re.search(r"(^|[.:;] )(Never imports|[Nn]o) [\w`]", said):
            silent.append(f"{_name(room)}: what does it never import?")
    assert not silent


def _modules() -> Iterator[str]:
    for root in ("agent", "kernels"):
        for path in sorted((ROOT / root).rglob("*.py")):
            if path.name not in ("__init__.py", "__main__.py"):
                yield _name(path)


def _test_of(module: str) -> Path:
    path = Path(module)
    parts = path.parts[1:-1] if path.parts[0] == "agent" else path.parts[:-1]
    return ROOT.joinpath("tests", *parts, f"test_{path.name}")


def test_every_module_has_a_test_file_of_its_own_or_is_on_the_list_that_only_shrinks() -> None:
    """tests/house/untested.txt names the modules that other tests reach; nothing is added to it."""
    listed = set(UNTESTED.read_text(encoding="utf-8").split())
    untested = {m for m in _modules() if not _test_of(m).exists()}
    new, done = sorted(untested - listed), sorted(listed - untested)
    assert not new, f"no test file of its own: {new[0]} ({_name(_test_of(new[0]))}); all: {new}"
    assert not done, f"take off the list: {done}"
