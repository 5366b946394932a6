"""What proposals are worth to the search of a merge's weights: evaluations until it has what CMA-ES alone has after 40.

    python -m tools.bench.skills.proposals [--trials 60] [--out docs/results/merge_proposals.json]

Simulated, since forty evaluations by play take hours: a merge's worth is a share of the skills' gains that falls with
the square of what its weights differ from the best ones, which are drawn near 1 for each trial; an evaluation has the
luck of so many episodes of each task: 8, as `merge --search` plays unless told, and 300. Three in ten trials are
proposed by: nobody; `random` (evenly drawn weights); `constant` (one answer, as of a model that does not think);
`reads` (the mean of the best five that it is shown, the least that a model which reads the search's state could do).
`knows` is told the best weights: the ceiling. What counts is the true worth of the weights with the best measured one
so far, a mean over the trials; reached: from there on it stays at what nobody's search has after 40. Aim: 28, with 300
episodes, by a proposer that reads, and no search that ends below where it begins.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.learning.merging.search import Propose, SearchState, search
from tools.bench._result_file import publish
from tools.bench.skills.stub import CURVE, NEAR, UNIFORM_SHARE

TASKS, EVALUATIONS, AIM = 4, 40, 28
EPISODES: Final = (8, 300)
SPREAD: Final = 1.0
"""Standard deviation of an episode's metric, a share of the skill's gain; the shipped skills have .7 to 1.2."""
SEED: Final = 64_000_000
Maker = Callable[[np.random.Generator, np.ndarray], Propose | None]


def _reads(state: SearchState) -> list[float]:
    return [float(x) for x in np.mean([trial.weights for trial in state.best], axis=0)]


PROPOSERS: Final[dict[str, Maker]] = {
    "nobody": lambda rng, best: None,
    "random": lambda rng, best: lambda state: [float(x) for x in rng.uniform(0.0, 2.0, TASKS)],
    "constant": lambda rng, best: lambda state: [0.7] * TASKS,
    "reads": lambda rng, best: _reads,
    "knows": lambda rng, best: lambda state: [float(x) for x in best],
}  # fmt: skip


def worth(weights: np.ndarray, best: np.ndarray) -> float:
    """The mean share of the skills' gains."""
    return float(UNIFORM_SHARE - 2.0 * CURVE * np.square(weights - best).mean())


def curve(make: Maker, trial: int, episodes: int) -> np.ndarray:
    """After each evaluation, the true worth of the weights that have measured best."""
    rng = np.random.default_rng(SEED + trial)
    best = np.clip(rng.normal(1.0, NEAR, TASKS), 0.0, 2.0)
    luck = np.random.default_rng(SEED + 1_000_000 + trial)
    measured: list[float] = []
    true: list[float] = []

    def value(weights: tuple[float, ...]) -> float:
        true.append(worth(np.array(weights), best))
        measured.append(true[-1] + SPREAD / np.sqrt(episodes * TASKS) * luck.standard_normal())
        return measured[-1]

    names = [str(k) for k in range(TASKS)]
    search(value, names, trials=EVALUATIONS, seed=trial, propose=make(rng, best))
    return np.array([true[int(np.argmax(measured[: n + 1]))] for n in range(EVALUATIONS)])


def of_episodes(trials: int, episodes: int) -> dict[str, Any]:
    """By proposer, the worth at first and after 40 evaluations, and how many reach what nobody's search has then."""
    curves = {
        name: np.mean([curve(make, t, episodes) for t in range(trials)], axis=0) for name, make in PROPOSERS.items()
    }
    wanted, found = curves["nobody"][-1], dict[str, Any]()
    for name, values in curves.items():
        below = np.flatnonzero(values < wanted)
        reached = int(below[-1]) + 2 if len(below) else 1
        found[name] = {
            "first": round(float(values[0]), 3), "after_40": round(float(values[-1]), 3),
            "reached": reached if reached <= EVALUATIONS else None,
        }  # fmt: skip
    return found


def table(trials: int) -> dict[str, Any]:
    """Both numbers of episodes, and whether the aims are reached."""
    found = {str(episodes): of_episodes(trials, episodes) for episodes in EPISODES}
    reads = found[str(EPISODES[-1])]["reads"]["reached"]
    rises = all(rows["nobody"]["after_40"] >= rows["nobody"]["first"] for rows in found.values())
    return {
        "trials": trials, "episodes": found, "aim": AIM, "search_rises": rises,
        "passed": rises and reads is not None and reads <= AIM,
    }  # fmt: skip


def main() -> None:
    """Search and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    values = table(args.trials)
    publish("merge_proposals", values, args.out)
    sys.exit(not values["passed"])


if __name__ == "__main__":
    main()
