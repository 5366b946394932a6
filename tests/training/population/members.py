"""A task and orders that tests of members share."""

from __future__ import annotations

from typing import Any

from agent.training.population.contract import Interval
from agent.training.population.member import Task

GAME = "gym:CartPole-v1"
TASK = Task(game=GAME, total_steps=4096, searched=("lr", "gamma", "curiosity_beta", "reward_scale"))


VALUES: dict[str, float | bool] = {"lr": 1e-3, "gamma": 0.9, "curiosity_beta": 0.5, "reward_scale": 2.0}


def order(**more: Any) -> Interval:
    values = {
        "member": 0, "number": 0, "steps": 1024, "values": VALUES, "continues": False, "seed": 3, "episodes": 10,
        "eval_seed": 900_000_000, **more,
    }  # fmt: skip
    return Interval(**values)
