"""One word for one thing: names that were given up stay away, times have units, the tick rate stands once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from agent.games.arena.rules_hash import rule_files

ROOT = Path(__file__).resolve().parents[2]
HASHED = set(rule_files())
"""Their bytes may not change, so their names stay."""
GIVEN_UP = re.compile(r"(^|_)(most|least|dice|foretell|foretold)(_|$)")
"""max_ and min_, rng, metrics, predict are the field's words."""
TICK_HZ = 60


def trees(containing: str) -> Iterator[tuple[str, ast.Module]]:
    """The modules of the project whose bytes are free and whose text holds a pattern, by their names."""
    for root in ("agent", "kernels", "tools", "tests"):
        for path in sorted((ROOT / root).rglob("*.py")):
            if path not in HASHED and re.search(containing, text := path.read_text(encoding="utf-8")):
                yield path.relative_to(ROOT).as_posix(), ast.parse(text)


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module gives or uses, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if not name.startswith("test_"):
                    yield line, name
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
                yield line, name


def test_words_that_were_given_up_stay_away() -> None:
    found = trees("most|least|dice|foretell|foretold")
    assert not [
        f"{path}:{line} {name}" for path, tree in found for line, name in identifiers(tree) if GIVEN_UP.search(name)
    ]


def test_elapsed_has_a_unit() -> None:
    found = trees(r"\belapsed\b")
    assert not [f"{path}:{line}" for path, tree in found for line, name in identifiers(tree) if name == "elapsed"]


def _number(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _tick_rates(tree: ast.Module) -> Iterator[int]:
    """Lines that write the rate of 60 Hz: a number divided by 60, a product with 60.0, a rate or tick that is 60."""
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(left=left, op=ast.Div(), right=right) if _number(right) == TICK_HZ:
                if _number(left) is not None or isinstance(_number(right), float):
                    yield node.lineno
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                if any(isinstance(_number(side), float) and _number(side) == TICK_HZ for side in (left, right)):
                    yield node.lineno
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                if re.search(r"hz|tick", name, re.I) and _number(value) == TICK_HZ:
                    yield node.lineno
            case ast.Constant(value=16_667 | 16_666 | 16.667 | 16.666):
                yield node.lineno


def test_the_tick_rate_stands_once() -> None:
    """In the program; what a test or a tool measures at 60 Hz is its own choice."""
    found = [
        f"{path}:{line}"
        for path, tree in trees(r"\b60\b|\b60\.0|16[._]?66")
        if path.startswith(("agent/", "kernels/"))
        for line in _tick_rates(tree)
    ]
    assert [place.rpartition(":")[0] for place in found] == ["agent/core/clock.py"], found


def test_each_of_these_words_would_be_seen() -> None:
    """A sabotage for each rule."""
    names = [name for _, name in identifiers(ast.parse("def f(most_rows): self.dice = g(least_us=1)\nelapsed = 1"))]
    assert {n for n in names if GIVEN_UP.search(n)} == {"most_rows", "dice", "least_us"} and "elapsed" in names
    for line in (
        "a = 1 / 60",
        "a = x / 60.0",
        "a = x * 60.0",
        "TICKS_PER_S = 60.0",
        "rate_hz: int = 60",
        "us = 16_667",
    ):
        assert list(_tick_rates(ast.parse(line))) == [1], line
    assert not list(_tick_rates(ast.parse("minutes = seconds / 60\nseconds = 60 * minutes\nwait_s = 60")))
