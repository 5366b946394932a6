"""`train` on one game with no option but the steps; runs in the environment that `environment` makes.

`python -m tools.bench.learning.third_party.ours GAME SEED STEPS` prints one line of JSON. Where SEED is `random`,
the held-out seeds are played at random.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.games.gymnasium_host import open_env
from agent.training.command import build_training
from agent.training.gym import GymTraining
from agent.training.options import TrainOptions
from tools.bench.learning.third_party.games import EPISODES, GAMES, HELD_OUT_SEED, LAST


def train(name: str, seed: int, steps: int) -> dict[str, Any]:
    """Train, then play the held-out seeds by the likeliest actions."""
    torch.set_num_threads(1)
    game = GAMES[name]
    training = build_training(TrainOptions(game=game.spec, steps=steps, seed=seed, out=Path("nowhere")))
    assert isinstance(training, GymTraining)
    begun_s, cpu_s, ended = time.perf_counter(), time.process_time(), 0
    while training.steps < steps:
        training.advance()
        ended = training.episodes
    wall_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    return {
        "returns": training.evaluate(range(HELD_OUT_SEED, HELD_OUT_SEED + EPISODES)),
        "training": list(training.recent)[-LAST:], "episodes": ended, "about": training.about,
        "steps": training.steps, "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1),
    }  # fmt: skip


def at_random(name: str) -> dict[str, Any]:
    """Returns of uniformly random actions on the held-out seeds."""
    env, returns = open_env(GAMES[name].spec), []
    for i in range(EPISODES):
        env.reset(seed=HELD_OUT_SEED + i)
        env.action_space.seed(i)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return {"returns": returns, "mean": float(np.mean(returns))}


if __name__ == "__main__":
    result = at_random(sys.argv[1]) if sys.argv[2] == "random" else train(sys.argv[1], *map(int, sys.argv[2:4]))
    print(json.dumps(result))
