"""Worlds of three games from recordings alone, measured on held-out episodes beside copy-last and other actions.

    python -m tools.bench.worlds.learned --work FOLDER --minutes 10 --out docs/results/worlds.json

ViZDoom's HealthGathering under random play, the arena with its menus under the pilot, MinAtar's Breakout under random
play, with one recipe: no parameter differs. FOLDER keeps recordings, trainings and the report of each part, so that a
run that is ended goes on; what is there already is not measured again. Parts that are not there are named.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.commands.cli import run
from agent.models.sealed import read_manifest
from tools.bench._result_file import publish

DOOM: Final = "vizdoom.gymnasium_wrapper:VizdoomHealthGathering-v1"


class Case(NamedTuple):
    """One game: the words that record it, the kinds of dynamics, and the regimes."""

    record: str
    arms: tuple[str, ...]
    regimes: int = 0


CASES: Final = {
    "health_gathering": Case(
        "--game gym:vizdoom.gymnasium_wrapper:VizdoomHealthGathering-v1 --frame-skip 4 --episodes 160",
        ("cnn", "maskgit"),
    ),
    "arena": Case("--game arena --capture 128x128 --policy pilot --menus --episodes 30 --max-frames 300", ("cnn",), 4),
    "breakout": Case("--game gym:minatar.gym:MinAtar/Breakout-v1 --episodes 100 --max-frames 100", ()),
}


def command(words: list[str]) -> None:
    """Run one of the program's commands; what it prints is in the files that it writes. Raises SystemExit."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = run(words)
    if code:
        raise SystemExit(f"{' '.join(words[:2])} ended with {code}")


def parts(name: str, work: Path, minutes: float) -> None:
    """Record, train and measure one case, as far as that is not done."""
    case, folder = CASES[name], work / name
    recordings = folder / "recordings"
    if not recordings.is_dir():
        command(["world", "record", "--resize-px", "64", *case.record.split(), "--out", str(recordings)])
    common = ["--recordings", str(recordings), "--out", str(folder), "--minutes", str(minutes), "--resume"]
    if not (folder / "tokenizer.json").exists():
        command(["world", "train", *common, "--phase", "tokenizer"])
        manifest = read_manifest(folder / "tokenizer.safetensors")
        notes = {"trained_by": manifest.created_by, **manifest.notes}
        (folder / "tokenizer.json").write_text(json.dumps(notes), encoding="utf-8")
    for arm in case.arms:
        report = folder / f"{arm}.json"
        if report.exists():
            continue
        regimes = ["--regimes", str(case.regimes)] if case.regimes else []
        command(["world", "train", *common, "--phase", "dynamics", "--arm", arm, *regimes])
        world = ["--world", str(folder / "world.safetensors"), "--recordings", str(recordings)]
        command(["world", "validate", *world, "--windows", "64", "--long-steps", "200", "--report", str(report)])


def gathered(work: Path) -> dict[str, Any]:
    """What the folder has of each case, and the parts that it lacks."""
    found: dict[str, Any] = {"cases": {}, "not_measured": []}
    for name, case in CASES.items():
        found["cases"][name] = {}
        for part in ("tokenizer", *case.arms):
            path = work / name / f"{part}.json"
            if path.exists():
                found["cases"][name][part] = json.loads(path.read_text(encoding="utf-8"))
            else:
                found["not_measured"].append(f"{name}: {part}")
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of recordings, trainings and reports")
    parser.add_argument("--minutes", type=float, default=10.0, help="training of each tokenizer and each dynamics")
    parser.add_argument("--cases", default=",".join(CASES), help="which games, between commas; empty: only gather")
    parser.add_argument("--out", type=Path, help="write the result here")
    options = parser.parse_args()
    for name in filter(None, options.cases.split(",")):
        if name not in CASES:
            parser.error(f"--cases {name}: there are {', '.join(CASES)}")
        parts(name, options.work, options.minutes)
    publish("worlds", gathered(options.work), options.out)


if __name__ == "__main__":
    main()
