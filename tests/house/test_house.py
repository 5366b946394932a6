"""The rules of the house, checked on every file of the project."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("agent", "kernels", "tools", "tests")
FILES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    p
    for p in [
        *ROOT.glob("*.md"),
        *ROOT.glob("*.toml"),
        *(q for f in (*FOLDERS, "docs", ".ci") for q in (ROOT / f).rglob("*")),
    ]
    if p.is_file() and p.suffix in ("", ".py", ".md", ".toml", ".html", ".js", ".css")
)
MAX_LINES, MAX_FUNCTION_LINES = 500, 60
FORBIDDEN_CALLS = {"eval", "exec", "__import__"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def trees(folders: tuple[str, ...] = FOLDERS) -> Iterator[tuple[Path, ast.Module]]:
    for path in FILES:
        if path.relative_to(ROOT).parts[0] in folders:
            yield path, _tree(path)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _forget_trees() -> Iterator[None]:
    """Millions of nodes would be looked at by each later collection of the suite."""
    yield
    _tree.cache_clear()


def test_no_file_is_longer_than_500_lines() -> None:
    sources = [p for p in TEXTS if p.suffix in (".py", ".js", ".css", ".html")]
    long = {str(p): n for p in sources if (n := len(p.read_text(encoding="utf-8").splitlines())) > MAX_LINES}
    assert not long


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


def test_nothing_but_the_supervisor_catches_every_exception() -> None:
    broad = []
    for path, tree in trees(("agent", "kernels", "tools")):
        if path == ROOT / "agent" / "concurrency" / "supervise.py":
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"everything"}
            raises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            if names & {"Exception", "BaseException", "everything"} and not raises:
                broad.append(f"{path}:{node.lineno}")
    assert not broad


def test_no_pickle_no_torch_load_and_no_evaluated_text() -> None:
    found = []
    for path, tree in trees(("agent", "kernels", "tools")):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found += [f"{path}: {a.name}" for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
                found.append(f"{path}: {node.module}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                found.append(f"{path}:{node.lineno} {node.func.id}")
            elif isinstance(node, ast.Attribute) and node.attr == "load" and isinstance(node.value, ast.Name):
                if node.value.id == "torch":
                    found.append(f"{path}:{node.lineno} torch.load")
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                found.append(f"{path}:{node.value.lineno} allow_pickle")
    assert not found


def test_an_import_that_fails_is_never_replaced_by_none() -> None:
    found = []
    for path, tree in trees(("agent", "kernels")):
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler) or "ImportError" not in ast.unparse(
                node.type or ast.Constant(0)
            ):
                continue
            if not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
                found.append(f"{path}:{node.lineno}")
    assert not found


def test_every_module_and_every_public_function_says_what_it_is_for() -> None:
    silent = []
    for path, tree in trees(("agent", "kernels")):
        if path.stat().st_size and ast.get_docstring(tree) is None:
            silent.append(str(path))
        for node in tree.body:
            public = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_"
            if public and ast.get_docstring(node) is None:
                silent.append(f"{path}:{node.lineno} {node.name}")
    assert not silent


def test_nothing_reads_or_names_what_lies_outside_the_project() -> None:
    outside = re.compile(r"\.\./(shared|\.library)|/work/|\bTODO\b|\bFIXME\b|\bXXX\b")  # looked for, never opened
    found = []
    for path in TEXTS:
        if path == Path(__file__):
            continue
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if outside.search(text):
                found.append(f"{path}:{number}: {text.strip()}")
    assert not found


def test_no_result_names_a_folder_of_the_machine_that_measured() -> None:
    folders = re.compile(r"/(root|home|tmp|Users)/|[A-Z]:\\")
    results = sorted((ROOT / "docs" / "results").glob("*.json"))
    assert results and [path.name for path in results if folders.search(path.read_text(encoding="utf-8"))] == []


def test_the_clock_is_the_only_one_that_asks_for_the_time() -> None:
    allowed = {"agent/core/clock.py", "agent/setup/doctor.py"}
    found = []
    for path, tree in trees(("agent",)):
        if path.relative_to(ROOT).as_posix() in allowed:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
                found.append(f"{path}:{node.lineno} time.{node.attr}")
    assert not found


def test_every_import_of_a_heavy_or_optional_package_is_late() -> None:
    late = {"torch", "cv2", "pygame", "aiohttp", "numba", "vizdoom", "minatar", "gymnasium"}
    command = [sys.executable, "-X", "importtime", "-m", "agent", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "agent.commands.cli" in imported and not late & imported
