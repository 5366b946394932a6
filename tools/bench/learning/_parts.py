"""The parts of a test: one arm of one seed each, kept in a file as soon as it has ended.

A test has `one_seed`, or arms (`ARMS`, `one_arm(seed, arm, reduced)`); a row is then {"seed": n, arm: result, …}.
A kept part is used again where all that it was made by is the same: the source of each module of the agent and of the
bench that the test imports, and BENCH_STEPS. So a campaign that was cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from agent.core.files import write_atomically

WHOLE: Final = "all"
BENCH: Final = "tools.bench.learning."
SOURCES: Final = ("agent.", BENCH)


class Part(NamedTuple):
    """One arm of one seed."""

    test: str
    seed: int
    arm: str

    @property
    def file(self) -> str:
        """Name of the file that keeps it."""
        return f"{self.seed}-{self.arm.replace('/', '_').replace(':', '_')}.json"


def fingerprint(test: Any) -> str:
    """What a part's result depends on, as a short hash; `test` is the imported module."""
    digest = hashlib.sha256(os.environ.get("BENCH_STEPS", "").encode())
    for name in sorted(n for n in sys.modules if n.startswith(SOURCES)):
        path = getattr(sys.modules[name], "__file__", None)
        shared = name.rpartition(".")[2].startswith("_")
        other_test = name.startswith(BENCH) and not shared and name != test.__name__
        if path is not None and not other_test and not name.endswith("._parts"):
            digest.update(name.encode() + Path(path).read_bytes())
    return digest.hexdigest()[:16]


def load(name: str) -> Any:
    """A test's module; torch keeps to one thread from here on."""
    torch.set_num_threads(1)
    return importlib.import_module(f"tools.bench.learning.{name}")


def arms(test: Any, reduced: bool) -> tuple[str, ...]:
    """The arms of a test; of its reduced case where that has others."""
    every = getattr(test, "ARMS", (WHOLE,))
    return tuple(getattr(test, "REDUCED_ARMS", every) if reduced else every)


def compute(part: Part, reduced: bool) -> dict[str, Any]:
    """Run one part in this process."""
    test = load(part.test)
    start = time.perf_counter()
    result = test.one_seed(part.seed, reduced) if part.arm == WHOLE else test.one_arm(part.seed, part.arm, reduced)
    return {"result": result, "wall_s": round(time.perf_counter() - start, 1)}


def _row(seed: int, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if WHOLE in found:
        return dict(found[WHOLE]["result"])
    walls = {arm: part["wall_s"] for arm, part in found.items()}
    return {"seed": seed, **{arm: part["result"] for arm, part in found.items()}, "wall_s": walls}


def _kept(folder: Path | None, part: Part, mark: str) -> dict[str, Any] | None:
    if folder is None or not (folder / part.file).exists():
        return None
    found: dict[str, Any] = json.loads((folder / part.file).read_text(encoding="utf-8"))
    return found if found["fingerprint"] == mark else None


def rows(
    name: str, seeds: list[int], reduced: bool, jobs: int, folder: Path | None, some: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Rows of all seeds, `jobs` parts at a time; parts are kept in `folder`, and taken from it.

    some: arms, () for all.
    """
    test = load(name)
    mark = fingerprint(test)
    of = tuple(some) or arms(test, reduced)
    wanted = [Part(name, seed, arm) for seed in seeds for arm in of]
    found = {part: kept for part in wanted if (kept := _kept(folder, part, mark)) is not None}
    if found:
        print(f"{len(found)} of {len(wanted)} parts taken from {folder}", flush=True)
    for part, result in _computed([part for part in wanted if part not in found], reduced, jobs):
        found[part] = result | {"fingerprint": mark}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / part.file, json.dumps(found[part], indent=1) + "\n")
    return [_row(seed, {arm: found[Part(name, seed, arm)] for arm in of}) for seed in seeds]


def _computed(parts: list[Part], reduced: bool, jobs: int) -> Iterable[tuple[Part, dict[str, Any]]]:
    if jobs == 1:
        for part in parts:
            yield part, compute(part, reduced)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        running = {pool.submit(compute, part, reduced): part for part in parts}
        for done in as_completed(running):
            yield running[done], done.result()
