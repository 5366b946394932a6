"""A4: a coin that shows at the fourth step: a model must keep both futures, not their mean.

An episode shows its age, and from age 3 on a coin of −1 or 1, each as likely. From the state at age 2 the model's prior
is sampled for the next step and decoded: each outcome must get 0.5 ± 0.05. Control that must fail: a network trained
to the mean squared error of the next observation, which says 0, an outcome that never happens. The latent has one
group of eight classes. Printed beside: a latent of eight groups, whose prior takes the groups as independent, so that
it mixes both futures until it has learned to keep the coin in one of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import nn

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.configs import WorldModelConfig
from agent.learning.dreamer.world_model import WorldModelLearner
from agent.models.distributions import sample_index
from agent.models.rssm import Latent
from agent.models.sizes import TINY, WorldSizes

DEFAULT_SEEDS: Final = 3
SPEC = ActionSpec(0, (2,))
REVEALED, LENGTH, EPISODES, SAMPLES, NEAR = 3, 6, 8000, 4000, 0.3
CONFIG = WorldModelConfig(batch=32, length=14, lr=1e-3, warm_up=50, steps_per_update=1, free_nats=0.1)


def episodes(count: int, seed: int) -> Rollout:
    """`count` episodes in one rollout; the action means nothing."""
    rng = np.random.default_rng(seed)
    age = np.tile(np.arange(LENGTH + 1), (count, 1))
    coin = rng.permutation(np.where(np.arange(count) % 2, -1.0, 1.0))[:, None]
    obs = np.stack([age / 2.0, np.where(age >= REVEALED, coin, 0.0)], -1).astype(np.float32)
    steps = count * LENGTH
    end = np.tile(np.arange(LENGTH) == LENGTH - 1, count)
    return Rollout(
        instance="coin", policy="p", policy_version=0, obs=obs[:, :-1].reshape(steps, 2),
        actions_cont=np.zeros((steps, 0), np.float32), actions_disc=rng.integers(0, 2, (steps, 1)),
        rewards=np.zeros(steps, np.float32), terminated=end, truncated=np.zeros(steps, np.bool_),
        is_first=np.tile(np.arange(LENGTH) == 0, count), elapsed_s=np.zeros(steps, np.float32), final_obs=obs[:, -1],
    )  # fmt: skip


@torch.no_grad()
def prior_shares(world: WorldModelLearner) -> dict[str, float]:
    """How often a future sampled at age 2 decodes to −1, to 1, and to neither."""
    model = world.model
    obs = torch.tensor([[t / 2.0, 0.0] for t in range(REVEALED)]).expand(SAMPLES, -1, -1)
    first = torch.zeros(SAMPLES, REVEALED, dtype=torch.bool)
    first[:, 0] = True
    actions = torch.zeros(SAMPLES, REVEALED, 2)
    actions[:, 1:] = torch.eye(2)[torch.randint(2, (SAMPLES, REVEALED - 1))]
    seen = model.observe(model.rssm.initial(SAMPLES), model.normalised(obs), actions, first)
    state = Latent(seen.latent.deter[:, -1], seen.latent.stoch[:, -1])
    told = model.decoder(model.rssm.imagine_step(state, torch.eye(2)[torch.randint(2, (SAMPLES,))]).features())
    coin = told[:, 1] * torch.sqrt(model.norm.var[1]) + model.norm.mean[1]
    low, high = (float(((coin - at).abs() < NEAR).float().mean()) for at in (-1.0, 1.0))
    return {"minus": low, "plus": high, "neither": 1.0 - low - high}


def mean_regressor(rollout: Rollout, steps: int) -> dict[str, float]:
    """The control: the next observation by squared error alone."""
    obs, after = torch.from_numpy(rollout.obs), torch.from_numpy(rollout.next_obs())
    net = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(steps):
        rows = sample_index(torch.zeros(256, len(obs)))
        loss = (net(obs[rows]) - after[rows]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        coin = float(net(torch.tensor([[(REVEALED - 1) / 2.0, 0.0]]))[0, 1])
    return {"coin": coin, "minus": float(abs(coin + 1) < NEAR), "plus": float(abs(coin - 1) < NEAR)}


def trained(seed: int, steps: int, groups: int) -> WorldModelLearner:
    """A model after `steps` gradient steps on 8,000 episodes, with a rate that falls to nothing."""
    torch.manual_seed(seed)
    sizes = WorldSizes(obs=2, action=2, **{**TINY, "stoch": groups})
    world = WorldModelLearner(sizes, SPEC, msgspec.structs.replace(CONFIG, seed=seed))
    world.push(episodes(EPISODES, seed))
    for step in range(steps):
        world.optimiser.lr = CONFIG.lr * max(0.03, 1.0 - step / steps)
        world.train_step()
    return world


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """Model, control, and the model with eight groups."""
    steps = 300 if reduced else 1000
    row: dict[str, Any] = {"seed": seed, "model": prior_shares(trained(seed, steps, 1))}
    row["mean_squared_error"] = mean_regressor(episodes(300, seed), 500)
    if not reduced:
        row["eight_groups"] = prior_shares(trained(seed, steps, TINY["stoch"]))
    print(row, flush=True)
    return row


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every seed must pass."""
    off = max(abs(row["model"][side] - 0.5) for row in rows for side in ("minus", "plus"))
    control = max(row["mean_squared_error"][side] for row in rows for side in ("minus", "plus"))
    checks = {"each outcome 0.5 ± 0.05 on every seed": off <= 0.05, "control: no outcome foretold": control == 0.0}
    return {"worst_distance": off, "rows": rows, "checks": checks, "passed": all(checks.values())}
