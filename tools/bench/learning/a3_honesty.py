"""A3: how far a model sees in masked CartPole, beside those who do not think.

7,000 steps of a half-random controller are learned from, position and angle alone, with 2,100 gradient steps; then 60
episodes that were never seen are foretold in open loop: the mean over 16 futures at 1, 5 and 15 steps, beside
persistence and linear extrapolation, each error over the feature's variance, whoever wins. The continuation is judged
by the area under its ROC curve, one step ahead. Control that must fail: the model told of left where it went right.
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import msgspec
import numpy as np
import torch

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.configs import WorldModelConfig
from agent.learning.dreamer.replay import to_rows
from agent.learning.dreamer.world_model import WorldModelLearner, open_loop, rows_as_sequence, whole_starts
from agent.models.rssm import Latent
from agent.models.sizes import TINY, WorldSizes
from agent.training.collect import Deed, Seen, collect, rollouts
from tools.bench.learning._play import games_of

DEFAULT_SEEDS: Final = 3
SPEC = ActionSpec(0, (2,))
CONFIG = WorldModelConfig(batch=16, length=32, lr=4e-4, warm_up=100)
CONTEXT, AHEAD, FEATURES = 8, (1, 5, 15), ("position", "angle")


def play(steps: int, episodes: int, seed: int) -> Rollout:
    """At least `steps` steps and `episodes` whole episodes of a controller that is random three times in ten."""
    rng = np.random.default_rng(seed)
    games, _ = games_of([gymnasium.make("CartPole-v1")], lambda raw: raw, [seed])

    def act(seen: Seen) -> Deed:
        _, _, angle, turning = (float(x) for x in seen.obs[0])
        pick = int(rng.integers(2)) if rng.random() < 0.3 else int(angle + 0.5 * turning > 0)
        return Deed(np.zeros((1, 0), np.float32), np.array([[pick]]))

    (rollout,) = rollouts(collect(games, act, steps, episodes=episodes), ["a3"], "dreamer", 0)
    return msgspec.structs.replace(rollout, obs=rollout.obs[:, [0, 2]], final_obs=rollout.final_obs[:, [0, 2]])


def area(scores: Any, positive: Any) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative."""
    ranks = np.argsort(np.argsort(scores)) + 1.0
    count = positive.sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


@torch.no_grad()
def continuation(world: WorldModelLearner, rollout: Rollout) -> float:
    """AUROC of the continuation foretold one step ahead, in imagination, against what happened."""
    model, rows = world.model, to_rows(rollout, SPEC, None)
    starts = torch.from_numpy(whole_starts(rows, CONTEXT, 1, 5000))
    data = rows_as_sequence(model, rows, world.device)
    seen = model.observe(data.before, data.obs, data.actions, data.is_first)
    state = Latent(*(x[0, starts].repeat_interleave(16, 0) for x in seen.latent))
    after = model.rssm.imagine_step(state, data.actions[0, starts + 1].repeat_interleave(16, 0))
    score = torch.sigmoid(model.proceed(after.features())).view(-1, 16).mean(1)
    return area(score.numpy(), ~data.is_terminal[0, starts + 1].numpy())


@torch.no_grad()
def errors(world: WorldModelLearner, rollout: Rollout) -> dict[str, dict[str, float]]:
    """NMSE by method, feature and distance."""
    maximum, rows = max(AHEAD), to_rows(rollout, SPEC, None)
    starts = torch.from_numpy(whole_starts(rows, CONTEXT, maximum, 1000))
    data = rows_as_sequence(world.model, rows, world.device)
    model, still = open_loop(world.model, data, starts, 16, maximum)
    mixed = rows._replace(actions=np.where(rows.is_first[:, None], 0.0, rows.actions[:, ::-1]).astype(np.float32))
    swapped = rows_as_sequence(world.model, mixed, world.device)
    wrong, _ = open_loop(world.model, swapped, starts, 16, maximum)
    steps = torch.arange(1, maximum + 1)
    last, before = data.obs[0, starts], data.obs[0, starts - 1]
    line = last.unsqueeze(1) + (last - before).unsqueeze(1) * steps.view(1, -1, 1)
    truth = data.obs[0, starts.unsqueeze(1) + steps]
    variance = data.obs[0].var(0)
    methods = {"model": model, "persistence": still, "linear": (line - truth).square(), "model_actions_swapped": wrong}
    table = {}
    for name, error in methods.items():
        mean = error.mean(0) / variance
        table[name] = {f"{f}_{t}": float(mean[t - 1, k]) for k, f in enumerate(FEATURES) for t in AHEAD}
    return table


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """Train on one seed's play, judge on another's."""
    torch.manual_seed(seed)
    world = WorldModelLearner(WorldSizes(obs=2, action=2, **TINY), SPEC, CONFIG)
    world.push(play(7000, 0, seed))
    for _ in range(150 if reduced else 2100):
        world.train_step()
    table = errors(world, play(0, 60, 5000 + seed))
    row = {"seed": seed, "nmse": table, "continue_auroc": continuation(world, play(0, 60, 7000 + seed))}
    print(row, flush=True)
    return row


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Means; only the continuation and the control are judged, the rest is shown as it is."""
    table = {
        name: {key: float(np.mean([r["nmse"][name][key] for r in rows])) for key in rows[0]["nmse"][name]}
        for name in rows[0]["nmse"]
    }
    auroc = [r["continue_auroc"] for r in rows]
    angle = "angle_15"
    checks = {
        "continuation: AUROC at least 0.95 on every seed": min(auroc) >= (0.8 if reduced else 0.95),
        "control: swapped actions are worse for the angle at 5 steps":
            table["model_actions_swapped"]["angle_5"] > 1.2 * table["model"]["angle_5"],
    }  # fmt: skip
    wins = {key: min(table, key=lambda name: table[name][key]) for key in table["model"]}
    return {
        "nmse_mean": table, "best_by_column": wins, "beats_persistence_angle_15":
            table["model"][angle] < table["persistence"][angle], "continue_auroc": auroc, "rows": rows,
        "checks": checks, "passed": all(checks.values()),
    }  # fmt: skip
