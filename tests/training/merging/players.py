"""Policies of four numbers whose tasks are how near each number comes to 1, with luck that belongs to the seed."""

from __future__ import annotations

import numpy as np

from agent.learning.merging.gate import Task, Values
from agent.models.sealed import Tensors, content_sha256
from agent.store.merging import Base, Source

NAMES = ("a", "b")
BASE: Tensors = {"w": np.zeros(10, np.float32), "norm.mean": np.zeros(2, np.float32)}


def base() -> Base:
    return Base(BASE, "pilot", {"x": 1}, {}, content_sha256(BASE))


def source(k: int) -> Source:
    """One whose k-th number is 1."""
    tensors = BASE | {"w": np.eye(10, dtype=np.float32)[k]}
    return Source(NAMES[k], tensors, content_sha256(tensors), {}, f"number {k}")


class Numbers:
    """The evaluator. asked: every question."""

    def __init__(self, noise: float = 0.05) -> None:
        self.tasks = [Task(f"{name}: near", name) for name in NAMES]
        self.asked: list[tuple[int, int]] = []
        self._noise = noise

    def scores(self, tensors: Tensors, seed: int, episodes: int) -> dict[str, Values]:
        self.asked.append((seed, episodes))
        luck = np.random.default_rng(seed).normal(0, 1.0, episodes)
        own = np.random.default_rng(int(1e6 * abs(float(tensors["w"].sum()))) % 2**31).normal(0, self._noise, episodes)
        return {t.name: -abs(1.0 - float(tensors["w"][k])) + luck + own for k, t in enumerate(self.tasks)}
