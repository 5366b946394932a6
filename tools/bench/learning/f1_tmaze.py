"""F1: a T-maze with a noisy television and a cost for each step: information is sought where it pays.

The prize lies left or right, told by a cue that is right 98 times in 100; the wrong arm costs 0.6. Three steps;
waiting, cue and television each cost 0.05; the television shows one of eight pictures at random. All is learned from
random play. Controls: plans for reward alone, whose second choice cannot depend on what the first shows; and seekers
of surprise, for whom the television is best. Printed beside: a closed-loop planner of reward, which also solves it.
Preferences are the payoffs; the weight of the gain is fixed at 0.3.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import torch

from agent.core.choices import Choices, Preferences
from agent.learning.active_inference.learner import ActiveInferenceLearner
from agent.learning.configs import ActiveInferenceConfig
from agent.models.sizes import OutcomeSizes
from tools.bench.learning._tmaze import ACTIONS, CEILING, CUE, LIKING, OUTCOMES, STEPS, WATCH, WON, Maze

DEFAULT_SEEDS: Final = 5
AGENTS: Final = {
    "predictive information gain, w 0.3": Preferences(LIKING, gain_weight=0.3, novelty_weight=0.0),
    "reward only, open loop": Preferences(LIKING, gain_weight=0.0, novelty_weight=0.0),
    "reward only, closed loop": Preferences(LIKING, gain_weight=0.0, novelty_weight=0.0, closed_loop=True),
    "entropy seeking, w 1": Preferences(LIKING, gain_weight=0.0, novelty_weight=0.0, entropy_weight=1.0),
    "entropy seeking, w 0.1": Preferences(LIKING, gain_weight=0.0, novelty_weight=0.0, entropy_weight=0.1),
}
OURS, MYOPIC = list(AGENTS)[0], list(AGENTS)[1]


def random_episodes(count: int, rng: np.random.Generator) -> tuple[list[Choices], float]:
    """Episodes of random play, and their success."""
    maze, records, wins = Maze(count, rng), [], np.zeros(count, np.bool_)
    for _ in range(STEPS):
        was_over = maze.over.copy()
        actions = rng.integers(0, ACTIONS, count)
        outcome, _ = maze.step(actions)
        wins |= (outcome == WON) & ~was_over
        records.append((actions, outcome, maze.over.copy(), was_over))
    eye, episodes = np.eye(ACTIONS, dtype=np.float32), []
    for m in range(count):
        steps = [r for r in records if not r[3][m]]
        picks, outcomes, ended = (np.array([r[k][m] for r in steps]) for k in range(3))
        options = np.broadcast_to(eye, (len(steps), ACTIONS, ACTIONS))
        allowed = np.ones((len(steps), ACTIONS), np.bool_)
        none = np.zeros((len(steps), 0), np.float32)
        episodes.append(Choices(options, allowed, picks, outcomes, ended, none, np.arange(len(steps))))
    return episodes, float(wins.mean())


def evaluate(learner: ActiveInferenceLearner, episodes: int, seed: int) -> dict[str, float]:
    """Play with what was learned; nothing is learned meanwhile."""
    maze = Maze(episodes, np.random.default_rng(seed))
    belief = learner.model.initial(episodes)
    eye = np.eye(ACTIONS, dtype=np.float32)
    options = np.broadcast_to(eye, (episodes, ACTIONS, ACTIONS))
    allowed, none = np.ones((episodes, ACTIONS), np.bool_), np.zeros((episodes, 0), np.float32)
    total, wins = np.zeros(episodes), np.zeros(episodes, np.bool_)
    visits = {CUE: 0.0, WATCH: 0.0}
    for _ in range(STEPS):
        alive = ~maze.over
        picks, _ = learner.choose(belief, options, allowed, none)
        outcome, payoff = maze.step(picks)
        total += payoff
        wins |= alive & (outcome == WON)
        for place in visits:
            visits[place] += float((alive & (picks == place)).mean())
        belief = learner.after(belief, eye[picks], outcome, none)
    return {
        "success": float(wins.mean()), "return": float(total.mean()),
        "cue_visits": visits[CUE], "tv_visits": visits[WATCH],
    }  # fmt: skip


def learned(seed: int, steps: int, episodes: int) -> tuple[ActiveInferenceLearner, float, dict[str, float]]:
    """A learner after random play."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    config = ActiveInferenceConfig(AGENTS[OURS], steps_per_update=steps, episodes=episodes, seed=seed)
    learner = ActiveInferenceLearner(OutcomeSizes(ACTIONS, OUTCOMES), config)
    data, success = random_episodes(episodes, rng)
    return learner, success, learner.learn(data)


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """One learned model under every agent, on the same mazes."""
    learner, random_success, report = learned(seed, 300 if reduced else 1500, 5000)
    agents = {}
    for name, wanted in AGENTS.items():
        learner.config = msgspec.structs.replace(learner.config, preferences=wanted)
        agents[name] = evaluate(learner, 1000, 10_000 + seed)
    print(f"f1 seed {seed}: {agents}", flush=True)
    return {"seed": seed, "random_success": random_success, "agents": agents, "losses": report}


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Pooled over models; the interval is of the pooled share (normal approximation)."""
    table = {
        name: {key: float(np.mean([r["agents"][name][key] for r in rows])) for key in rows[0]["agents"][name]}
        for name in AGENTS
    }
    ours, pooled = table[OURS], 1000 * len(rows)
    half = 1.96 * (ours["success"] * (1 - ours["success"]) / pooled) ** 0.5
    checks = {
        "success at least 0.96": ours["success"] >= 0.96,
        "television visits at most 0.01 an episode": ours["tv_visits"] <= 0.01,
        "control, reward only and open loop: success at most 0.7": table[MYOPIC]["success"] <= 0.7,
        "control, entropy seeking at w 1: television at least 1.5 visits":
            table["entropy seeking, w 1"]["tv_visits"] >= 1.5,
    }  # fmt: skip
    return {
        "episodes_each": 1000, "ceiling": CEILING, "agents": table, "success_half_interval": half,
        "random_success": float(np.mean([r["random_success"] for r in rows])), "rows": rows,
        "checks": checks, "passed": all(checks.values()),
    }  # fmt: skip
