"""A1: masked CartPole by dreams alone: position and angle are seen, velocities are not, every step's reward is 1.

Only the continuation tells the model that falling is bad. Controls: the same learner without continuation in its
returns, and a random policy. The control's critic starts at its fixed point 1 / (1 − gamma): from 0 it would rise for
as long as it is trained, sooner where states are often seen, and so tell what is familiar, which upright poles are. One
gradient step of model and policy for every five steps played.
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
import torch

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.configs import DreamConfig, WorldModelConfig
from agent.learning.dreamer.dream import DreamLearner
from agent.learning.dreamer.world_model import WorldModelLearner
from agent.models.distributions import two_hot
from agent.models.sizes import TINY, WorldSizes
from tools.bench.learning._play import play

DEFAULT_SEEDS: Final = 3
ARMS: Final = ("with_continue", "without_continue", "random")
STEPS, REDUCED_STEPS, RANDOM, EVERY = 7000, 3000, 500, 5
SPEC = ActionSpec(0, (2,))
WORLD = WorldModelConfig(batch=16, length=32, lr=4e-4, warm_up=100, steps_per_update=1)
DREAM = DreamConfig(starts=128, lr=2e-4, warm_up=100, entropy=1e-3, units=128, layers=2)
ENOUGH, TOO_LITTLE = 160.0, 30.0


@torch.no_grad()
def settle(dream: DreamLearner) -> None:
    """Start the critic at the value of an endless reward of 1."""
    bins = dream.world.model.bins
    logits = torch.log(two_hot(torch.tensor([1.0 / (1.0 - DREAM.gamma)]), bins)[0] + 1e-9)
    for critic in (dream.policy.critic, dream.policy.slow):
        critic[-1].bias.copy_(logits)


def one(seed: int, steps: int, use_proceed: bool) -> dict[str, Any]:
    """Episodes of one run; returns are undiscounted."""
    torch.manual_seed(seed)
    sizes = WorldSizes(obs=2, action=2, **TINY)
    world = WorldModelLearner(sizes, SPEC, WorldModelConfig(**{**_fields(WORLD), "seed": seed}))
    dream = DreamLearner(world, DreamConfig(**{**_fields(DREAM), "use_proceed": use_proceed}))
    if not use_proceed:
        settle(dream)
    losses: dict[str, float] = {}

    def learn(rollout: Rollout) -> None:
        world.push(rollout)
        if len(world.replay) < RANDOM or not world.train_step():
            return
        report = dream.train_step(world.posteriors.pop())
        losses.update({name: float(value) for name, value in report.items()})

    env = gymnasium.make("CartPole-v1")
    done = play(env, lambda raw: raw[[0, 2]], dream, steps, EVERY, seed, random_steps=RANDOM, learn=learn)
    curve = {at: float(np.mean([r for t, r in done if t <= at][-10:])) for at in range(500, steps + 1, 500)}
    print(f"a1 seed {seed} continue {use_proceed}: {curve}", flush=True)
    return {"seed": seed, "last_ten_mean": curve[max(curve)], "curve": curve, "episodes": len(done), "losses": losses}


def _fields(config: Any) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__struct_fields__}


def random_return(seed: int) -> float:
    """Mean return of a random policy over 100 episodes."""
    env, totals = gymnasium.make("CartPole-v1"), []
    env.action_space.seed(seed)
    for episode in range(100):
        env.reset(seed=1000 * seed + episode)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        totals.append(total)
    return float(np.mean(totals))


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """The learner, its control without continuation, or a random policy."""
    if arm == "random":
        return {"mean": random_return(seed)}
    return one(seed, REDUCED_STEPS if reduced else STEPS, arm == "with_continue")


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Means over all seeds; no best-of."""
    steps, enough = (REDUCED_STEPS, 60.0) if reduced else (STEPS, ENOUGH)
    mean, control = (
        float(np.mean([r[key]["last_ten_mean"] for r in rows])) for key in ("with_continue", "without_continue")
    )
    checks = {
        f"mean of the last ten episodes at {steps} steps at least {enough}": mean >= enough,
        f"without continuation at most {TOO_LITTLE}": control <= TOO_LITTLE,
    }
    return {
        "steps": steps,
        "world": _fields(WORLD),
        "dream": _fields(DREAM),
        "mean": mean,
        "control_mean": control,
        "random_mean": float(np.mean([r["random"]["mean"] for r in rows])),
        "rows": rows,
        "checks": checks,
        "passed": all(checks.values()),
    }
