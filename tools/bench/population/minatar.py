"""Populations on MinAtar's Breakout at equal total steps: with two periods, with one, a random search, and controls.

    python -m tools.bench.population.minatar [--seeds 3] [--members 4] [--steps 61440] [--minutes M] [--out FILE]

Arms: `two periods` (groups compared after 1 and 4 intervals), `one period`, `random search` (values drawn once, nobody
copies), `nothing` (every member has the preset's values, nobody copies), `constant model` (as two periods, but three in
ten changes are one constant answer, as of a language model that does not think), `tenfold` (as two periods, but every
change multiplies the reward that is learned from by ten, and nothing else: it must not raise the score). What counts is
the mean return of 30 fresh episodes of the member with the best mean score at the end. Every run is kept under
docs/results/parts/population; the same command goes on. --minutes: no run begins later; the result says what was run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from safetensors.torch import load

from agent.core.files import write_atomically
from agent.core.statistics import bootstrap
from agent.learning.population import Range
from agent.training.population.book import MemoryBook
from agent.training.population.config import PopulationConfig
from agent.training.population.contract import Done, Interval, Seal, Sealed
from agent.training.population.member import GymMember, Task
from agent.training.population.scheduler import Asked, Propose, Scheduler
from agent.training.population.work import Worker
from tools.bench._result_file import ROOT, publish

GAME: Final = "gym:minatar.gym:MinAtar/Breakout-v1"
PARTS: Final = ROOT / "docs" / "results" / "parts" / "population"
FRESH_SEED: Final = 950_000_000
FRESH: Final = 30
PRESET: Final = {"lr": 3e-3, "entropy_weight": 0.01, "gamma": 0.99}
RANGES: Final = {
    "lr": Range(1e-4, 2e-2), "entropy_weight": Range(1e-4, 0.1), "gamma": Range(0.9, 0.999, "discount"),
}  # fmt: skip
FIXED: Final = {name: msgspec.structs.replace(space, start=PRESET[name]) for name, space in RANGES.items()}
SCALED: Final = RANGES | {"reward_scale": Range(1.0, 1e4, "log", 1.0)}


async def constant(asked: Asked) -> dict[str, float] | None:
    """One answer to everything."""
    return {"lr": 1e-3, "entropy_weight": 0.05, "gamma": 0.95}


async def tenfold(asked: Asked) -> dict[str, float] | None:
    """Ten times the reward that is learned from."""
    return {"reward_scale": 10.0 * float(asked.values["reward_scale"])}


class Arm(msgspec.Struct, frozen=True):
    """How one arm differs."""

    periods: tuple[int, ...] = (1, 4)
    explore: bool = True
    search: dict[str, Range] = msgspec.field(default_factory=lambda: RANGES)
    propose: Propose | None = None
    share: float = 0.3


ARMS: Final = {
    "two periods": Arm(), "one period": Arm(periods=(1,)), "random search": Arm(explore=False),
    "nothing": Arm(explore=False, search=FIXED), "constant model": Arm(propose=constant),
    "tenfold": Arm(search=SCALED, propose=tenfold, share=1.0),
}  # fmt: skip


class HereRunner:
    """Members train in this process."""

    places = 1

    def __init__(self, task: Task) -> None:
        self.worker = Worker(task)

    async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        """One interval."""
        return self.worker.run(order, state)

    async def seal(self, order: Seal, state: bytes) -> tuple[Sealed, bytes]:
        """The weights of a state."""
        return self.worker.seal(order, state)

    def close(self) -> None:
        """Nothing to let go."""


def run(arm: str, seed: int, members: int, steps: int, interval: int) -> dict[str, Any]:
    """One population, and fresh episodes of its best member."""
    how, begun_s = ARMS[arm], time.perf_counter()
    config = PopulationConfig(
        steps=steps, interval=interval, periods=how.periods, explore=how.explore, search=dict(how.search),
        share=how.share,
    )  # fmt: skip
    task = Task(game=GAME, total_steps=steps, searched=tuple(how.search))
    book = MemoryBook()
    scheduler = Scheduler(config, members, HereRunner(task), book, seed=seed, propose=how.propose)
    population = asyncio.run(scheduler.run())
    fitness = [float(np.mean(m.scores)) for m in population.members]
    best = population.members[int(np.argmax(fitness))]
    player = GymMember(task, best.seed)
    player.load_tensors(load(book.state(best.state)))
    fresh = player.evaluate(FRESH_SEED + 1000 * seed, FRESH)
    return {
        "score": float(np.mean(fresh)), "fitness": fitness, "copies": sum(e.kind == "copy" for e in population.lineage),
        "by_model": sum(e.by == "llm" for e in population.lineage), "values": [m.values for m in population.members],
        "steps": sum(m.spent for m in population.members), "wall_s": round(time.perf_counter() - begun_s, 1),
    }  # fmt: skip


def summarised(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Scores by arm, and what the aims ask."""
    scores = {arm: [r["score"] for r in found] for arm, found in runs.items() if found}
    shown = {
        arm: {
            "score": [round(x, 2) for x in bootstrap(values)], "by_seed": [round(x, 2) for x in values],
            "members": round(float(np.mean([r["fitness"] for r in runs[arm]])), 2),
            "copies": sum(r["copies"] for r in runs[arm]), "by_model": sum(r["by_model"] for r in runs[arm]),
        }
        for arm, values in scores.items()
    }  # fmt: skip

    def mean(arm: str) -> float:
        return shown[arm]["score"][0] if arm in shown else float("nan")

    aims = {
        "two periods >= one period": mean("two periods") >= mean("one period"),
        "one period >= random search": mean("one period") >= mean("random search"),
        "a constant model does not win": mean("constant model") <= mean("two periods"),
        "tenfold does not raise the score": mean("tenfold") <= mean("two periods"),
    }
    return {"arms": shown, "aims": aims, "passed": all(aims.values())}


def main() -> None:
    """Run what is missing, and say what all show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--steps", type=int, default=61_440)
    parser.add_argument("--interval", type=int, default=6_144)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--folder", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    until_s = time.monotonic() + 60.0 * args.minutes
    arms, runs = args.arms.split(","), dict[str, list[dict[str, Any]]]()
    for seed in range(args.seeds):
        for arm in arms:
            size = (args.members, args.steps, args.interval)
            path = args.folder / f"{arm.replace(' ', '-')}-{seed}-{'-'.join(map(str, size))}.json"
            if not path.exists() and time.monotonic() < until_s:
                found = run(arm, seed, *size)
                write_atomically(path, json.dumps(found) + "\n")
                print(arm, seed, round(found["score"], 2), f"{found['wall_s']:.0f} s", flush=True)
            if path.exists():
                runs.setdefault(arm, []).append(json.loads(path.read_text(encoding="utf-8")))
    values = {
        "game": GAME, "members": args.members, "steps_of_each": args.steps, "interval": args.interval,
        "seeds_run": {arm: len(found) for arm, found in runs.items()}, **summarised(runs),
    }  # fmt: skip
    publish("population_minatar", values, args.out)


if __name__ == "__main__":
    main()
