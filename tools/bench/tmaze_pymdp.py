"""The T-maze of bench F1 played by pymdp, which is given the true probabilities: what F1's learned agent is held to.

    pip install inferactively-pymdp        # in an environment of its own; not a dependency of the project
    python -m tools.bench.tmaze_pymdp [--episodes 1000] [--seeds 5] [--out docs/results/f1_tmaze_pymdp.json]

Expected free energy over plans of two actions, with utility and information gain about states at their usual weights.
An arm leads to a state `over` that pays nothing, as an episode's end does in F1.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from pymdp.agent import Agent

from tools.bench._result_file import publish
from tools.bench.learning import _tmaze as maze

OVER_PLACE, OVER_SEEN = maze.ACTIONS, maze.OUTCOMES


def tables() -> tuple[Any, Any, Any, Any, Any]:
    """A [outcome, place, prize], B of places and of the prize, C, D; the place after action a is a, or over."""
    places = maze.ACTIONS + 1
    a = np.zeros((maze.OUTCOMES + 1, places, 2))
    a[maze.NOTHING, maze.WAIT] = 1.0
    for prize in range(2):
        a[maze.CUE_LEFT + prize, maze.CUE, prize] = maze.VALIDITY
        a[maze.CUE_LEFT + 1 - prize, maze.CUE, prize] = 1 - maze.VALIDITY
        a[maze.WON, maze.LEFT + prize, prize] = 1.0
        a[maze.LOST, maze.RIGHT - prize, prize] = 1.0
    a[maze.PICTURE : maze.OUTCOMES, maze.WATCH] = 1.0 / maze.PICTURES
    a[OVER_SEEN, OVER_PLACE] = 1.0
    b = np.zeros((places, places, maze.ACTIONS))
    for action in range(maze.ACTIONS):
        b[action, :, action] = 1.0
        for ended in (maze.LEFT, maze.RIGHT, OVER_PLACE):
            b[:, ended, action] = np.eye(places)[OVER_PLACE]
    prize_stays = np.eye(2)[:, :, None]
    c = np.array([*maze.LIKING, 0.0])
    return [a], [b, prize_stays], [c], [np.eye(places)[maze.WAIT], np.full(2, 0.5)], [[0, 1]]


def play(episodes: int, seed: int) -> dict[str, float]:
    """Many mazes at once, as F1 plays them."""
    a, b, c, d, depends = tables()
    many = lambda arrays: [jnp.broadcast_to(jnp.asarray(x), (episodes, *x.shape)) for x in arrays]
    agent = Agent(
        many(a), many(b), many(c), many(d), A_dependencies=depends, num_controls=[maze.ACTIONS, 1], policy_len=2,
        gamma=16.0, batch_size=episodes, sampling_mode="full", action_selection="deterministic",
    )  # fmt: skip
    world = maze.Maze(episodes, np.random.default_rng(seed))
    prior, outcome = agent.D, np.full(episodes, maze.NOTHING)
    wins, total = np.zeros(episodes, np.bool_), np.zeros(episodes)
    visits = {maze.CUE: 0.0, maze.WATCH: 0.0}
    for _ in range(maze.STEPS):
        alive = ~world.over
        seen = np.where(alive, outcome, OVER_SEEN)
        states = agent.infer_states([jnp.asarray(seen)[:, None]], prior)
        plans, _ = agent.infer_policies(states)
        action = agent.sample_action(plans)
        picks = np.asarray(action)[:, 0].astype(int)
        outcome, payoff = world.step(picks)
        total += payoff
        wins |= alive & (outcome == maze.WON)
        for place in visits:
            visits[place] += float((alive & (picks == place)).mean())
        prior = agent.update_empirical_prior(action, states)
    return {
        "success": float(wins.mean()), "return": float(total.mean()),
        "cue_visits": visits[maze.CUE], "tv_visits": visits[maze.WATCH],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows = [play(args.episodes, 10_000 + seed) for seed in range(args.seeds)]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    version = importlib.metadata.version("inferactively-pymdp")
    publish("f1_tmaze_pymdp", {"pymdp": version, "episodes": args.episodes, "mean": mean, "rows": rows}, args.out)


if __name__ == "__main__":
    main()
