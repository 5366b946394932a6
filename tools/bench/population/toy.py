"""Ray Tune's toy of population based training: eight members whose best learning rate changes while they learn.

    python -m tools.bench.population.toy [--seeds 40] [--out docs/results/population_toy.json]

A member's accuracy grows by up to 1 a step, the nearer its rate is to the best one, which rises until an accuracy of
100 and falls until 200; beyond three times that rate it falls. Noise is added to every step (pbt_function.py of Ray).
400 steps, a measurement every 20; what counts is the members' mean accuracy at the end. Arms: no copies;
hyper-parameters alone (those of the better, changed, without its weights); weights alone; both; and the best of 20
constant rates. Passes where both have 1.5 times the best constant,
and each half lies below both by disjoint intervals over seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.statistics import bootstrap
from agent.learning.population import Range
from agent.training.population.book import MemoryBook
from agent.training.population.config import PopulationConfig
from agent.training.population.contract import Done, Interval, Seal, Sealed
from agent.training.population.scheduler import Scheduler
from tools.bench._result_file import publish

STEPS: Final = 400
MEMBERS: Final = 8
MIDPOINT: Final = 100.0
TOLERANCE: Final = 3.0
NOISE: Final = 2.0
LOW, HIGH = 1e-4, 0.02
CONFIG: Final = PopulationConfig(
    steps=STEPS, interval=20, periods=(1,), episodes=10, window=10, search={"lr": Range(LOW, HIGH, "linear")},
    factors=(0.8, 1.2),
)  # fmt: skip


class Toy(msgspec.Struct):
    """A member's state."""

    accuracy: float = 0.0
    steps: int = 0


def advance(toy: Toy, lr: float, steps: int, rng: np.random.Generator) -> None:
    """Some steps with one rate."""
    for _ in range(steps):
        rising = toy.accuracy if toy.accuracy < MIDPOINT else 2.0 * MIDPOINT - toy.accuracy
        best = min(0.01, max(0.001, 0.01 * rising / MIDPOINT))
        error = max(lr, best) / min(lr, best)
        if error < TOLERANCE:
            toy.accuracy += rng.random() / error
        elif lr > best:
            toy.accuracy -= (error - TOLERANCE) * rng.random()
        toy.accuracy = max(0.0, toy.accuracy + NOISE * rng.standard_normal())
        toy.steps += 1


class ToyRunner:
    """Runs members of the toy in this process. halves: what of a copy counts, `both`, `weights` or `values`."""

    places = 1

    def __init__(self, halves: str = "both") -> None:
        self.halves = halves
        self._own: dict[int, Toy] = {}
        self._first: dict[int, Any] = {}

    async def run(self, order: Interval, state: bytes) -> tuple[Done, bytes]:
        """Some steps; the accuracy is every episode's score."""
        toy = msgspec.json.decode(state, type=Toy) if state else Toy()
        if self.halves == "values":
            toy = self._own.setdefault(order.member, toy)
        lr = float(order.values["lr"])
        if self.halves == "weights":
            lr = self._first.setdefault(order.member, lr)
        advance(toy, lr, order.steps, np.random.default_rng((order.seed, order.number)))
        return Done(steps=toy.steps, scores=[toy.accuracy] * order.episodes, metrics={}), msgspec.json.encode(toy)

    async def seal(self, order: Seal, state: bytes) -> tuple[Sealed, bytes]:
        """There are no weights."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to let go."""


def played(seed: int, *, explore: bool = True, halves: str = "both", config: PopulationConfig = CONFIG) -> float:
    """The members' mean accuracy at the end of one population."""
    config = msgspec.structs.replace(config, explore=explore)
    population = asyncio.run(Scheduler(config, MEMBERS, ToyRunner(halves), MemoryBook(), seed=seed).run())

    return float(np.mean([member.scores[-1] for member in population.members]))


def constant(lr: float, seeds: int) -> float:
    """The mean over seeds of as many members that keep one rate."""
    found = []
    for seed in range(seeds):
        toys = [Toy() for _ in range(MEMBERS)]
        for k, toy in enumerate(toys):
            advance(toy, lr, STEPS, np.random.default_rng((10**6 + seed, k)))
        found.append(np.mean([toy.accuracy for toy in toys]))
    return float(np.mean(found))


def table(seeds: int) -> dict[str, Any]:
    """The arms, and what they show."""
    arms = {
        "none": {"explore": False}, "values alone": {"halves": "values"}, "weights alone": {"halves": "weights"},
        "both": {},
    }  # fmt: skip
    values = {name: [played(seed, **arm) for seed in range(seeds)] for name, arm in arms.items()}  # type: ignore[arg-type]
    means = {name: bootstrap(found) for name, found in values.items()}
    rates = np.geomspace(LOW, HIGH, 20)
    best_rate, best = max(((float(lr), constant(lr, seeds)) for lr in rates), key=lambda pair: pair[1])
    both = means["both"]
    return {
        "seeds": seeds, "arms": {name: [round(x, 1) for x in found] for name, found in means.items()},
        "best_constant": round(best, 1), "best_rate": round(best_rate, 5), "ratio": round(both.value / best, 2),
        "halves_below": all(means[name].high < both.low for name in ("values alone", "weights alone")),
        "passed": both.value >= 1.5 * best and all(
            means[name].high < both.low for name in ("values alone", "weights alone")
        ),
    }  # fmt: skip


def main() -> None:
    """Play all arms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    values = table(args.seeds)
    publish("population_toy", values, args.out)
    sys.exit(not values["passed"])


if __name__ == "__main__":
    main()
