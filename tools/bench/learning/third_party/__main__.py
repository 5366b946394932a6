"""Our `train` with the kind's preset against stable-baselines3's PPO with its defaults, at equal steps.

    python -m tools.bench.learning.third_party [--games a,b] [--seeds 3] [--minutes M] [--out FILE]

Each training is a process of its own in an environment that is made on the first use. Every part is kept under
docs/results/parts/third_party as soon as it has ended; the same command goes on where it was cut off. --minutes: no
part begins later; what was not run is named in the result. --reduced: the games' reduced steps. --summary runs
nothing. --folder keeps parts elsewhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from agent.core.files import write_atomically
from tools.bench._result_file import ROOT, publish
from tools.bench.learning.__main__ import commit
from tools.bench.learning.third_party import environment
from tools.bench.learning.third_party.games import GAMES
from tools.bench.learning.third_party.summary import SIDES, Parts, summarise

PARTS: Final = ROOT / "docs" / "results" / "parts" / "third_party"
HERE: Final = "tools/bench/learning/third_party"
SOURCES: Final = {
    "sb3": (f"{HERE}/theirs.py", f"{HERE}/games.py"),
    "random": (f"{HERE}/ours.py", f"{HERE}/games.py"),
    "ours": (
        f"{HERE}/ours.py", f"{HERE}/games.py", "agent/training/gym.py", "agent/training/collect.py",
        "agent/training/presets", "agent/learning/ppo", "agent/models/policies.py", "agent/models/picture_bodies.py",
        "agent/models/frame_stack.py", "agent/games/env_view.py",
    ),
}  # fmt: skip
"""What a part's result depends on."""


def fingerprint(side: str) -> str:
    """The sources of a side, as a short hash."""
    digest = hashlib.sha256()
    for source in SOURCES[side]:
        path = ROOT / source
        for file in sorted(path.glob("*.*")) if path.is_dir() else [path]:
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def kept(folder: Path, game: str, side: str, seed: int, steps: int) -> dict[str, Any] | None:
    """A part that is kept and was made by the same sources with as many steps."""
    path = folder / _file(game, side, seed, steps)
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found if found.get("fingerprint") == fingerprint(side) else None


def _file(game: str, side: str, seed: int, steps: int) -> str:
    return f"{game}-{seed}-{side}.json" if side == "random" else f"{game}-{seed}-{side}-{steps}.json"


def compute(python: Path, folder: Path, game: str, side: str, seed: int, steps: int) -> dict[str, Any]:
    """Run one part in a process, and keep it."""
    module = "theirs" if side == "sb3" else "ours"
    words = [str(python), "-m", f"tools.bench.learning.third_party.{module}", game]
    words += ["random"] if side == "random" else [str(seed), str(steps)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, env=settings, stdout=subprocess.PIPE, text=True, check=True)
    part: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) | {"fingerprint": fingerprint(side)}
    write_atomically(folder / _file(game, side, seed, steps), json.dumps(part) + "\n")
    return part


def steps_of(game: str, reduced: bool) -> int:
    """What both sides may take."""
    return GAMES[game].reduced if reduced else GAMES[game].steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", default=",".join(GAMES), help="some of them, in this order")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--folder", type=Path, default=PARTS)
    parser.add_argument("--environment", type=Path, default=environment.default_folder())
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    games, sides = args.games.split(","), args.sides.split(",")
    wanted = [(game, "random", 0) for game in games]
    wanted += [(game, side, seed) for seed in range(args.seeds) for game in games for side in sides]
    until_s = time.monotonic() + 60.0 * args.minutes
    if not args.summary:
        python = environment.make(args.environment)
        for game, side, seed in wanted:
            steps = steps_of(game, args.reduced)
            if kept(args.folder, game, side, seed, steps) is None and time.monotonic() < until_s:
                print(f"{game}, {side}, seed {seed}", flush=True)
                compute(python, args.folder, game, side, seed, steps)
    every = [(game, side, seed) for game in GAMES for side in (*SIDES, "random") for seed in range(args.seeds)]
    parts: Parts = {
        key: part for key in every if (part := kept(args.folder, *key, steps_of(key[0], args.reduced))) is not None
    }
    values = {"reduced": args.reduced, **summarise(parts, args.seeds, reduced=args.reduced)}
    publish("bench_learning third_party", {"commit": commit(), "seeds": args.seeds, **values}, args.out)
    sys.exit(0 if values["passed"] else 1)


if __name__ == "__main__":
    main()
