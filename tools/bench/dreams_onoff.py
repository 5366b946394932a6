"""Dreams on against off at equal steps, on MinAtar Breakout: what is served dreams, or is PPO alone.

On: the served policy acts on the model's posterior and was trained in dreams. Off: PPO, four copies, whose steps add
up to the same number. Control that must not beat off: dreams whose imagined rewards are shuffled. The score of a run
is the mean return of its last 20 episodes. The task and all settings were fixed before any seed was run. Passes where
the 95 % intervals of on and off are apart, the control's does not lie above off's, and five seeds were run.
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import msgspec
import numpy as np
import torch
from minatar.gym import register_envs

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.dream import DreamConfig, DreamLearner
from agent.learning.world_model import WorldModelConfig, WorldModelLearner
from agent.models.rssm import TINY, WorldSizes
from bench import _ppo
from bench._play import play

DEFAULT_SEEDS: Final = 5
ARMS: Final = ("on", "off", "shuffled")
GAME: Final = "MinAtar/Breakout-v1"
STEPS, REDUCED_STEPS, RANDOM, EVERY, LAST = 6000, 1500, 500, 5, 20
WORLD = WorldModelConfig(batch=16, length=32, lr=4e-4, warm_up=100, steps_per_update=1)
DREAM = DreamConfig(starts=128, lr=2e-4, warm_up=100, entropy=1e-3, units=128, layers=2)


def make() -> Any:
    """The game; its names are registered once."""
    if GAME not in gymnasium.registry:
        register_envs()
    return gymnasium.make(GAME)


def observe(raw: Any) -> Any:
    """The game's planes in a row."""
    return np.asarray(raw, np.float32).ravel()


def dreaming(seed: int, steps: int, *, shuffled: bool) -> list[tuple[int, float]]:
    """Episodes of a run whose served policy dreams."""
    torch.manual_seed(seed)
    env = make()
    choices = int(env.action_space.n)
    sizes = WorldSizes(obs=int(np.prod(env.observation_space.shape)), action=choices, **TINY)
    world = WorldModelLearner(sizes, ActionSpec(0, (choices,)), msgspec.structs.replace(WORLD, seed=seed))
    dream = DreamLearner(world, msgspec.structs.replace(DREAM, shuffle_rewards=shuffled))

    def learn(rollout: Rollout) -> None:
        world.push(rollout)
        if len(world.replay) >= RANDOM and world.train_step():
            dream.train_step(world.posteriors.pop())

    return play(env, observe, dream, steps, EVERY, seed, random_steps=RANDOM, learn=learn)


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One of the three runs of a seed."""
    steps = REDUCED_STEPS if reduced else STEPS
    if arm == "off":
        done = _ppo.learn(make, observe, 1, steps, seed)
    else:
        done = dreaming(seed, steps, shuffled=arm == "shuffled")
    score = float(np.mean([r for _, r in done][-LAST:]))
    print(f"dreams seed {seed} {arm}: {score:.3f}", flush=True)
    return {"score": score, "episodes": len(done)}


def interval(values: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (4000, len(values))).mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Means and intervals over seeds."""
    table = {
        name: {"mean": float(np.mean(scores)), "interval": interval(scores)}
        for name, scores in ((name, [r[name]["score"] for r in rows]) for name in ARMS)
    }
    on, off, shuffled = (table[name]["interval"] for name in ("on", "off", "shuffled"))
    enough = len(rows) >= DEFAULT_SEEDS
    checks = {
        "on above off, intervals apart": on[0] > off[1],
        "shuffled rewards are not better than off": shuffled[0] <= off[1],
        f"{DEFAULT_SEEDS} seeds": enough,
    }
    return {"game": GAME, "steps": REDUCED_STEPS if reduced else STEPS, "table": table, "rows": rows,
            "checks": checks, "passed": all(checks.values())}  # fmt: skip
