"""What numba compiled belongs to one state of the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.core import compiled

OUTER = "from inner import inner\nfrom numba import njit\n\n@njit(cache=True)\ndef outer(x):\n    return inner(x)\n"


def inner(path: Path, change: int) -> None:
    """A function that another file's function compiles into itself."""
    path.write_text(f"from numba import njit\n\n@njit(cache=True)\ndef inner(x):\n    return x + {change}\n")


def answer(folder: Path, cache: Path) -> int:
    """outer(1) in a process that keeps what it compiles in `cache`."""
    code = "from outer import outer; print(outer(1))"
    environment = os.environ | {compiled.VARIABLE: str(cache), "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_function_compiled_into_another_changes_the_folder_and_so_the_answer(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text(OUTER)
    inner(tmp_path / "inner.py", 1)
    first = compiled.folder_for(tmp_path, tmp_path / "cache")
    assert answer(tmp_path, first) == 2
    inner(tmp_path / "inner.py", 10)
    assert answer(tmp_path, first) == 2, "numba notices by itself: this room is not needed any more"
    second = compiled.folder_for(tmp_path, tmp_path / "cache")
    assert second != first and answer(tmp_path, second) == 11


def test_a_source_that_is_not_compiled_changes_nothing_and_old_folders_go(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text(OUTER)
    before = compiled.folder_for(tmp_path, tmp_path)
    (tmp_path / "plain.py").write_text("x = 1\n")
    assert compiled.folder_for(tmp_path, tmp_path) == before
    for age in range(compiled.KEPT + 2):
        folder = tmp_path / "cache" / str(age)
        folder.mkdir(parents=True)
        os.utime(folder, (1e9 - age, 1e9 - age))
    compiled.forget_old(tmp_path / "cache")
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == [str(k) for k in range(compiled.KEPT)]


def test_the_agent_names_its_folder_and_leaves_one_that_the_user_named() -> None:
    code = "import agent, os; print(os.environ['NUMBA_CACHE_DIR'])"

    def named(**given: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != compiled.VARIABLE} | given
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    own = str(compiled.folder_for(compiled.SOURCES, compiled.ROOT))
    assert named() == own == named(NUMBA_CACHE_DIR=str(compiled.ROOT / "0123"))
    assert named(NUMBA_CACHE_DIR="elsewhere") == "elsewhere"


def test_a_folder_without_compiled_code_is_cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "none"))
    assert compiled.is_cold()
    (tmp_path / "none" / "step_1").mkdir(parents=True)
    assert compiled.is_cold()
    (tmp_path / "none" / "step_1" / "step.advance-7.py311.nbi").touch()
    assert not compiled.is_cold()


def test_one_process_compiles_at_a_time_and_who_waits_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys, time; from pathlib import Path; from agent.core.compiled import alone\n"
        "with alone(lambda text: print(text, flush=True)):\n"
        "    print('compiles', flush=True); sys.stdin.readline()"
    )
    environment = os.environ | {compiled.VARIABLE: str(tmp_path)}
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path))
    assert not compiled.is_whole()

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    with start() as first:
        assert first.stdin is not None and first.stdout is not None and first.stdout.readline() == "compiles\n"
        with start() as second:
            assert second.stdout is not None and "another process compiles" in second.stdout.readline()
            first.communicate("\n")
            said = second.stdout.readline()
            while "waiting" in said:
                said = second.stdout.readline()
            assert said == "compiles\n"
            with start() as third:
                assert third.stdout is not None and third.stdout.readline() == "compiles\n", (
                    "all is compiled: nobody waits"
                )
                third.communicate("\n")
            second.communicate("\n")
    assert (first.returncode, second.returncode, third.returncode) == (0, 0, 0) and compiled.is_whole()
