"""Tests of learning with known answers: seeds, a control that must fail, and the figures as JSON.

    python tools/bench_learning.py NAME [--seeds N] [--jobs N] [--reduced] [--out results/NAME.json]

NAME is a module of tools/bench with `DEFAULT_SEEDS` and either `run(seeds, reduced) -> dict`, or
`one_seed(seed, reduced) -> dict` and `summarise(rows, reduced) -> dict`; the latter can run `--jobs` seeds at once,
each in a process. `--reduced` is the case that CI can afford. The result carries `passed`; the command ends with 1
where it is False.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from resultfile import ROOT, publish

BENCH = Path(__file__).resolve().parent / "bench"
NAMES = sorted(p.stem for p in BENCH.glob("*.py") if not p.stem.startswith("_"))


def commit() -> str:
    """Commit of the working tree, with a + where it has changes."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    dirty = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "agent", "tools"], cwd=ROOT, check=False)
    return head.stdout.strip() + ("+" if dirty.returncode else "")


def in_processes(name: str, seeds: list[int], reduced: bool, jobs: int) -> list[dict[str, Any]]:
    """Rows of all seeds, `jobs` at a time, each from a process of this command."""
    command = [sys.executable, __file__, name, "--seeds", "1", *(["--reduced"] if reduced else []), "--first-seed"]
    waiting = list(seeds)
    running: dict[int, tuple[Path, subprocess.Popen[bytes]]] = {}
    rows: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < jobs:
                seed = waiting.pop(0)
                out = Path(folder) / f"{seed}.json"
                running[seed] = out, subprocess.Popen([*command, str(seed), "--row", str(out)])
            time.sleep(0.5)
            for seed, (out, process) in list(running.items()):
                if process.poll() is None:
                    continue
                if process.returncode != 0:
                    sys.exit(f"seed {seed} of {name} ended with {process.returncode}")
                rows[seed] = json.loads(out.read_text(encoding="utf-8"))
                del running[seed]
    return [rows[seed] for seed in seeds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seeds", type=int, help="how many, from 0; each test has its own default")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--row", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.insert(0, str(BENCH.parent))
    test = importlib.import_module(f"bench.{args.name}")
    count = args.seeds if args.seeds is not None else (1 if args.reduced else test.DEFAULT_SEEDS)
    seeds = list(range(args.first_seed, args.first_seed + count))
    if args.row:
        args.row.write_text(json.dumps(test.one_seed(seeds[0], args.reduced)), encoding="utf-8")
        return
    start, source = time.perf_counter(), commit()
    if hasattr(test, "run"):
        values = test.run(seeds, args.reduced)
    elif args.jobs > 1:
        values = test.summarise(in_processes(args.name, seeds, args.reduced, args.jobs), args.reduced)
    else:
        values = test.summarise([test.one_seed(seed, args.reduced) for seed in seeds], args.reduced)
    envelope = {"commit": source, "seeds": seeds, "reduced": args.reduced, "torch": torch.__version__}
    took = round(time.perf_counter() - start, 1)
    publish(f"bench_learning {args.name}", {**envelope, "wall_s": took, **values}, args.out)
    sys.exit(0 if values["passed"] else 1)


if __name__ == "__main__":
    main()
