"""Tests of learning with known answers: seeds, a control that must fail, and the figures as JSON.

    python -m tools.bench.learning NAME [--seeds N] [--jobs N] [--reduced] [--arm ARM] [--out docs/results/NAME.json]

NAME is a module of this folder with `DEFAULT_SEEDS` and either `run(seeds, reduced) -> dict`, or `one_seed` (or arms,
as `_parts.py` says) and `summarise(rows, reduced) -> dict`. Of the latter, `--jobs` parts run at once, each in a
process, and a full run keeps every part under docs/results/parts/NAME: the same command, given again after it was cut
off or with more seeds, computes only what is missing. `--anew` computes all. `--reduced` is the case that CI can
afford. `--arm`, once or more, runs those arms alone. The result carries `passed`; the command ends with 1 where it is
False.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch

from tools.bench._result_file import ROOT, publish
from tools.bench.learning import _parts

BENCH = Path(__file__).resolve().parent
PARTS = ROOT / "docs" / "results" / "parts"
ROOMS = ("motor", "served", "cards")
"""Folders of tests beside those of this one."""
NAMES = sorted(
    ".".join(p.relative_to(BENCH).with_suffix("").parts)
    for p in (*BENCH.glob("*.py"), *(p for room in ROOMS for p in (BENCH / room).glob("*.py")))
    if not p.stem.startswith("_")
)


def commit() -> str:
    """Commit of the working tree, with a + where it has changes."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    dirty = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "agent", "tools"], cwd=ROOT, check=False)
    return head.stdout.strip() + ("+" if dirty.returncode else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seeds", type=int, help="how many, from 0; each test has its own default")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--arm", action="append", default=[], help="one of the test's arms; may be given again")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--anew", action="store_true", help="use no kept part")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    test = _parts.load(args.name)
    count = args.seeds if args.seeds is not None else (1 if args.reduced else test.DEFAULT_SEEDS)
    seeds = list(range(args.first_seed, args.first_seed + count))
    unknown = [arm for arm in args.arm if arm not in _parts.arms(test, args.reduced)]
    if unknown:
        parser.error(f"--arm {unknown[0]}: {args.name} has {'; '.join(_parts.arms(test, args.reduced))}")
    start, source = time.perf_counter(), commit()
    if hasattr(test, "run"):
        values = test.run(seeds, args.reduced)
    else:
        folder = None if args.reduced or args.anew else PARTS / args.name
        rows = _parts.rows(args.name, seeds, args.reduced, args.jobs, folder, args.arm)
        values = test.summarise(rows, args.reduced)
    envelope = {"commit": source, "seeds": seeds, "reduced": args.reduced, "torch": torch.__version__}
    took = round(time.perf_counter() - start, 1)
    publish(f"bench_learning {args.name}", {**envelope, "wall_s": took, **values}, args.out)
    sys.exit(0 if values["passed"] else 1)


if __name__ == "__main__":
    main()
