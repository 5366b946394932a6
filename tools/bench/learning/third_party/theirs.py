"""PPO of stable-baselines3 with its defaults on one game; runs in the environment that `environment` makes.

`python -m tools.bench.learning.third_party.theirs GAME SEED STEPS` prints one line of JSON. One environment, and every
hyper-parameter of `PPO(policy, env)` as it comes; where no policy of theirs takes the game as it is, the smallest
change that its users make: MinAtar's flags go through MinAtar's own network (one convolution of 16 filters and a layer
of 128), MiniGrid's view through the network of MiniGrid's documentation, and ViZDoom's screen is made 84 x 84. Imports
nothing of the agent.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from tools.bench.learning.third_party.games import EPISODES, GAMES, HELD_OUT_SEED, LAST, Game

PX = 84


class Channels(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Flags [10, 10, C] as numbers [C, 10, 10]."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        height, width, channels = env.observation_space.shape
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (channels, height, width), np.float32)

    def observation(self, observation: Any) -> Any:
        """The channels first."""
        return np.asarray(observation, np.float32).transpose(2, 0, 1)


class Screen(gymnasium.ObservationWrapper[Any, Any, Any]):
    """The screen alone, 84 x 84."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0, 255, (PX, PX, 3), np.uint8)

    def observation(self, observation: Any) -> Any:
        """The picture, smaller."""
        import cv2

        return cv2.resize(observation["screen"], (PX, PX), interpolation=cv2.INTER_AREA)


class Convolutions(BaseFeaturesExtractor):
    """Some layers of convolutions, each followed by a rectifier, and a layer of 128 units."""

    def __init__(self, space: Any, layers: tuple[tuple[int, int], ...]) -> None:
        super().__init__(space, 128)
        parts: list[torch.nn.Module] = []
        inputs = space.shape[0]
        for filters, size in layers:
            parts += [torch.nn.Conv2d(inputs, filters, size), torch.nn.ReLU()]
            inputs = filters
        body = torch.nn.Sequential(*parts, torch.nn.Flatten())
        places = body(torch.zeros(1, *space.shape)).shape[1]
        self.net = torch.nn.Sequential(body, torch.nn.Linear(places, 128), torch.nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features [B, 128]."""
        return self.net(x)


def make(game: Game) -> Any:
    """The environment as their policy takes it."""
    if game.module:
        module = importlib.import_module(game.module)
        if game.env_id not in gymnasium.registry and hasattr(module, "register_envs"):
            module.register_envs()
    arguments = {name: int(value) for name, value in (pair.split("=") for pair in game.arguments.split("&") if pair)}
    env = gymnasium.make(game.env_id, **arguments)
    if game.kind == "flags":
        return Channels(env)
    if game.kind == "grid":
        from minigrid.wrappers import ImgObsWrapper

        return ImgObsWrapper(env)
    return Screen(env) if game.kind == "screen" else env


def policy_of(kind: str) -> tuple[str, dict[str, Any]]:
    """Their policy, and its arguments."""
    if kind == "flags":
        layers: tuple[tuple[int, int], ...] = ((16, 3),)
        return "CnnPolicy", {
            "features_extractor_class": Convolutions, "features_extractor_kwargs": {"layers": layers},
            "normalize_images": False,
        }  # fmt: skip
    if kind == "grid":
        layers = ((16, 2), (32, 2), (64, 2))
        return "CnnPolicy", {
            "features_extractor_class": Convolutions, "features_extractor_kwargs": {"layers": layers},
        }  # fmt: skip
    return ("CnnPolicy" if kind == "screen" else "MlpPolicy"), {}


def train(name: str, seed: int, steps: int) -> dict[str, Any]:
    """Train, then play the held-out seeds by the likeliest actions."""
    torch.set_num_threads(1)
    game = GAMES[name]
    env = Monitor(make(game))
    policy, arguments = policy_of(game.kind)
    model = PPO(policy, env, seed=seed, device="cpu", policy_kwargs=arguments)
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    model.learn(steps)
    wall_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    held_out = make(game)
    return {
        "returns": [episode(model, held_out, HELD_OUT_SEED + i) for i in range(EPISODES)],
        "training": [float(r) for r in env.get_episode_rewards()[-LAST:]],
        "steps": model.num_timesteps, "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 1),
    }  # fmt: skip


def episode(model: Any, env: Any, seed: int) -> float:
    """The return of one episode."""
    observation, _ = env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        action, _ = model.predict(observation, deterministic=True)
        observation, reward, terminated, truncated, _ = env.step(action)
        total, over = total + float(reward), terminated or truncated
    return total


if __name__ == "__main__":
    print(json.dumps(train(sys.argv[1], *map(int, sys.argv[2:4]))))
