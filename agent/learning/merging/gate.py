"""Whether merged weights may be used: paired episodes of every source's task, against uniform TIES and the best source.

Tasks have different units, so differences are shares of what each task's own source gains over the base. Follows the
percentile bootstrap of `core.statistics`. Owns no episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.errors import SettingsError
from agent.core.statistics import Estimate, bootstrap, paired_difference

MIN_EPISODES: Final = 20
MARGIN: Final = 0.25
"""How much of a source's gain its task may lose at the interval's lower end."""
BASE: Final = "base"
UNIFORM: Final = "uniform TIES"
CANDIDATE: Final = "candidate"
Values = NDArray[np.float64]
Scores = Mapping[str, Mapping[str, Values]]
"""Of each player, by task, one value for each seed [N]; all play the same seeds of a task."""


class Verdict(msgspec.Struct, frozen=True):
    """What the measurement says. tasks: of each the mean of every player, and the loss; why: for people."""

    accepted: bool
    why: list[str]
    tasks: dict[str, dict[str, Any]]
    overall: dict[str, list[float]]


class Task(msgspec.Struct, frozen=True):
    """One source's task."""

    name: str
    source: str


def judge(scores: Scores, tasks: Sequence[Task], *, margin: float = MARGIN, against: str = UNIFORM) -> Verdict:
    """Accept the candidate where over all tasks it gains on both others, and no task loses more than the margin.

    The gain's lower end is to be above 0, against uniform TIES and against the best source; the lower end of each task
    against uniform TIES at least −margin. against: whom in place of uniform TIES, where the candidate is that itself.
    Raises SettingsError for fewer than 20 episodes of a task.
    """
    units = {task.name: _unit(scores, task) for task in tasks}
    for task in tasks:
        for player, values in scores.items():
            if len(values[task.name]) < MIN_EPISODES:
                raise SettingsError(
                    f"{player}, {task.name}: {len(values[task.name])} episodes; a verdict needs {MIN_EPISODES}"
                )
    sources = sorted({task.source for task in tasks})
    best = max(sources, key=lambda source: _mean_share(scores, tasks, units, source))
    why: list[str] = []
    overall: dict[str, list[float]] = {}
    for other in (against, best):
        gain = _overall(scores, tasks, units, other)
        overall[other] = _rounded(gain)
        if gain.low <= 0.0:
            why.append(f"no gain on {other} is shown: {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})")
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        loss = paired_difference(
            scores[CANDIDATE][task.name] / units[task.name], scores[against][task.name] / units[task.name]
        )
        found[task.name] = {
            "means": {who: round(float(values[task.name].mean()), 4) for who, values in scores.items()},
            "unit": round(units[task.name], 4), "against": against, "difference": _rounded(loss),
        }  # fmt: skip
        if loss.low < -margin:
            why.append(f"{task.name} may lose {-loss.low:.2f} of {task.source}'s gain; {margin:g} is the margin")
    accepted = not why
    if accepted:
        low = min(interval[1] for interval in overall.values())
        why = [f"gains at least {low:+.3f} of the sources' gains on {against} and {best}, and no task loses more"]
    return Verdict(accepted, why, found, overall)


def _unit(scores: Scores, task: Task) -> float:
    """What the task's own source gains over the base, at least a tenth of the base's mean."""
    base, own = (float(scores[who][task.name].mean()) for who in (BASE, task.source))
    return max(abs(own - base), 0.1 * abs(base), 1e-9)


def _mean_share(scores: Scores, tasks: Sequence[Task], units: Mapping[str, float], who: str) -> float:
    return float(np.mean([scores[who][t.name].mean() / units[t.name] for t in tasks]))


def _overall(scores: Scores, tasks: Sequence[Task], units: Mapping[str, float], other: str) -> Estimate:
    """The candidate's gain over another, a share of the sources' gains; seeds are drawn, each with all its tasks."""
    rows = min(len(scores[CANDIDATE][t.name]) for t in tasks)
    gains = [(scores[CANDIDATE][t.name] - scores[other][t.name])[:rows] / units[t.name] for t in tasks]
    return bootstrap(np.mean(gains, axis=0))


def _rounded(estimate: Estimate) -> list[float]:
    return [round(float(x), 4) for x in estimate]
