"""Episodes on seeds that training never sees: what a training on an environment is measured by, on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from agent.core.clock import TICK_S
from agent.core.errors import SettingsError
from agent.core.statistics import bootstrap
from agent.models.heads import likeliest
from agent.models.policies import TrainablePolicy
from agent.models.sealed import read_manifest, save_sealed
from agent.training.folder import BEST, TrainingFolder
from agent.training.options import TrainOptions

FIRST_SEED: Final = 900_000_000
"""Trainings seed their copies with seed · 1000 + copy."""


@torch.no_grad()
def held_out_returns(
    envs: Sequence[Any], policy: TrainablePolicy, seeds: Sequence[int], tick_s: float = TICK_S
) -> list[float]:
    """The return of one episode for each seed, played by the likeliest actions.

    envs: environments of rows, `training.gym.RowEnv`, that play side by side and are reset with the seeds in turn.
    tick_s: game time between two observations.
    """
    returns, waiting = [0.0] * len(seeds), list(range(len(seeds)))[::-1]
    playing = [waiting.pop() for _ in range(min(len(envs), len(seeds)))]
    rows = [env.reset(seed=seeds[episode])[0] for env, episode in zip(envs, playing, strict=False)]
    carry, first = policy.initial(len(playing)), np.ones(len(playing), np.bool_)
    while any(episode >= 0 for episode in playing):
        elapsed_s = np.where(first, np.float32(0.0), np.float32(tick_s))
        heads, carry = policy(
            torch.from_numpy(np.stack(rows))[:, None], carry, torch.from_numpy(first)[:, None],
            torch.from_numpy(elapsed_s)[:, None],
        )  # fmt: skip
        axes, choices = likeliest(heads)
        actions = np.concatenate([axes[:, 0].numpy(), choices[:, 0].numpy()], 1, dtype=np.float64)
        first[:] = False
        for place, episode in enumerate(playing):
            if episode < 0:
                continue
            rows[place], reward, terminated, truncated, _ = envs[place].step(actions[place])
            returns[episode] += float(reward)
            if terminated or truncated:
                playing[place] = waiting.pop() if waiting else -1
                first[place] = playing[place] >= 0
                if first[place]:
                    rows[place] = envs[place].reset(seed=seeds[playing[place]])[0]
    return returns


class HeldOut:
    """Measures a training every so many steps, and keeps the best weights in its folder."""

    def __init__(self, folder: TrainingFolder, options: TrainOptions, training: Any, command: str) -> None:
        """training: with `evaluate`, where --eval-every is given; command: which made it, for the file."""
        self._folder, self._training, self._command = folder, training, command
        self._every, self._path = options.eval_every, folder.path / BEST
        self._seeds = range(FIRST_SEED, FIRST_SEED + options.eval_episodes)
        self._done = training.steps
        self._best = self._best_so_far() if self._every is not None and self._path.exists() else -np.inf

    def _best_so_far(self) -> float:
        """The return of the weights that are kept; raises SettingsError where they are not of such a measurement."""
        found = read_manifest(self._path).notes.get("eval_return")
        if not isinstance(found, int | float):
            raise SettingsError(f"{self._path}: was not measured by --eval-every, which would replace it; move it away")
        return float(found)

    def measured(self) -> dict[str, float]:
        """Figures by name where it is time to measure, else none."""
        steps = self._training.steps
        if self._every is None or steps // self._every == self._done // self._every:
            return {}
        self._done = steps
        mean, low, high = bootstrap(self._training.evaluate(self._seeds))
        if mean > self._best:
            self._best = mean
            values = self._training.sealed()
            measured = {"eval_return": mean, "eval_episodes": len(self._seeds), "eval_seed": FIRST_SEED}
            values["notes"] = {**values["notes"], **measured}
            with self._folder.writing():
                save_sealed(self._path, created_by=self._command, **values)
        return {"eval_return": mean, "eval_low": low, "eval_high": high, "eval_best": self._best}
