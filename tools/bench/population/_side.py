"""One training of the comparison of throughput, as `throughput` runs it; prints JSON.

    python -m tools.bench.population._side SIDE GAME SEED STEPS EPISODES

SIDE: `ours`, `sb3` (its defaults), `sb3-same` (eight copies, and every hyper-parameter of our preset that it has),
`rlox` (its defaults) or `ours-as-rlox` (ours with those). The sides of others import nothing of the agent, and run
where their packages are.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from tools.bench.learning.third_party import games
from tools.bench.learning.third_party.games import HELD_OUT_SEED, Game

GAMES = {
    "cartpole": Game("", "CartPole-v1", 50_000, "vectors", 50_000),
    "breakout": Game("minatar.gym", "MinAtar/Breakout-v1", 50_000, "flags", 50_000),
}
SAME: dict[str, dict[str, Any]] = {
    "cartpole": {
        "learning_rate": lambda left: 5e-4 * left, "n_steps": 128, "batch_size": 64, "n_epochs": 10, "gamma": 0.99,
        "gae_lambda": 0.95, "clip_range": 0.2, "ent_coef": 0.01, "vf_coef": 0.25, "max_grad_norm": 0.5,
    },
    "breakout": {
        "learning_rate": lambda left: 3e-3 * left, "n_steps": 128, "batch_size": 256, "n_epochs": 4, "gamma": 0.99,
        "gae_lambda": 0.95, "clip_range": 0.2, "ent_coef": 0.01, "vf_coef": 0.25, "max_grad_norm": 0.5,
    },
}  # fmt: skip
"""Of our presets `vectors` and `small-pictures`; theirs weighs the squared error by vf_coef, ours half of it."""


def same(name: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """stable-baselines3 with our preset's hyper-parameters."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from tools.bench.learning.third_party.theirs import episode, make, policy_of

    torch.set_num_threads(1)
    game = GAMES[name]
    policy, arguments = policy_of(game.kind)
    env = VecMonitor(DummyVecEnv([lambda: make(game) for _ in range(8)]))
    model = PPO(policy, env, seed=seed, device="cpu", policy_kwargs=arguments, **SAME[name])
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    model.learn(steps)
    wall_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    held_out = make(game)
    returns = [episode(model, held_out, HELD_OUT_SEED + i) for i in range(episodes)]
    return {"returns": returns, "steps": model.num_timesteps, "wall_s": wall_s, "cpu_s": cpu_s}


def rlox(name: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """The PPO of rlox, by its defaults."""
    import gymnasium
    import torch
    from rlox.algorithms.ppo import PPO

    torch.set_num_threads(1)
    game = GAMES[name]
    model = PPO(game.env_id, seed=seed)
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    model.train(total_timesteps=steps)
    wall_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    env, returns = gymnasium.make(game.env_id), []
    for i in range(episodes):
        observation, _ = env.reset(seed=HELD_OUT_SEED + i)
        total, over = 0.0, False
        while not over:
            action = int(np.asarray(model.predict(observation, deterministic=True)).reshape(-1)[0])
            observation, reward, terminated, truncated, _ = env.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return {"returns": returns, "steps": steps, "wall_s": wall_s, "cpu_s": cpu_s}


def as_rlox(name: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """Ours with the hyper-parameters that rlox has by default; of its copies and stretch our preset has the same."""
    import torch

    from agent.learning.configs import STRETCH, PPOConfig
    from agent.training.gym import GymTraining
    from agent.training.presets.preset import Preset

    torch.set_num_threads(1)
    config = PPOConfig(lr=2.5e-4, epochs=4, minibatches=4, length=STRETCH, larger_value=True)
    preset = Preset(copies=8, stretch=STRETCH, scale_rewards=False, network="towers", ppo=config)
    training = GymTraining(GAMES[name].spec, seed=seed, total_steps=steps, preset=preset)
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    while training.steps < steps:
        training.advance()
    wall_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    returns = training.evaluate(range(HELD_OUT_SEED, HELD_OUT_SEED + episodes))
    return {"returns": returns, "steps": training.steps, "wall_s": wall_s, "cpu_s": cpu_s}


def main(side: str, name: str, seed: int, steps: int, episodes: int) -> dict[str, Any]:
    """One training and its held-out episodes."""
    games.GAMES[name] = GAMES[name]
    if side.startswith("ours"):
        from agent.training.gym import GymTraining

        GymTraining(GAMES[name].spec, seed=seed, total_steps=steps).advance()  # what is compiled is loaded
    if side == "ours":
        from tools.bench.learning.third_party import ours

        ours.EPISODES = episodes
        return ours.train(name, seed, steps)
    if side == "sb3":
        from tools.bench.learning.third_party import theirs

        theirs.EPISODES = episodes
        return theirs.train(name, seed, steps)
    others = {"sb3-same": same, "rlox": rlox, "ours-as-rlox": as_rlox}
    return others[side](name, seed, steps, episodes)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], *(int(word) for word in sys.argv[3:]))))
