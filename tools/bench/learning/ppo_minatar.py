"""PPO against stable-baselines3's on MinAtar, both on the RGB picture that the link carries, at its own 10 × 10.

Breakout and Asterix, the same network (one convolution, one layer), losses, hyper-parameters, number of copies and
steps; but ours has its learning rate rise over the first ten updates, as small pictures have it here, and theirs falls
from the first, though it could be given such a schedule too. The score is the mean return of the last 100 episodes of
training; a random player is the floor. stable-baselines3 is needed for theirs and is asked for by name: `pip install
"stable-baselines3>=2.9,<3"` in an environment of its own. Passes where theirs is at least three times random (else the
task is too short) and our interquartile mean at least 0.9 of theirs. BENCH_STEPS sets another number of steps than a
million, and the result says so. Reduced, since MinAtar shows nothing in the time of a test: ours alone at 20,000 steps
of CartPole, which must be four times random, with a control that takes every fall for a cut, so that its constant
reward says nothing, and must not be twice random.
"""

from __future__ import annotations

import importlib.util
import os
import time
from typing import Any, Final

import gymnasium
import msgspec
import numpy as np
import torch

from agent.core.rollout import Rollout
from agent.core.statistics import summary
from agent.games.env_view import EnvView
from agent.games.gymnasium_host import make_env
from agent.learning.configs import SMALL_PICTURE_CONFIG, STRETCH
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions
from agent.training.presets.preset import Preset

DEFAULT_SEEDS: Final = 30
GAMES: Final = ("minatar.gym:MinAtar/Breakout-v1", "minatar.gym:MinAtar/Asterix-v1")
STEPS, COPIES, LAST = 1_000_000, 8, 100
REDUCED_STEPS, REDUCED_GAME = 20_000, "CartPole-v1"
SAME: Final = Preset(copies=COPIES, width=128, paint_flags=True, scale_rewards=False, ppo=SMALL_PICTURE_CONFIG)
"""What both are told here; `train` has a preset of its own for such pictures."""


class Deathless(GymTraining):
    """The control: no episode ever ends, all are cut, so that every step is worth the same."""

    def _play(self) -> list[Rollout]:
        over = np.zeros(STRETCH, np.bool_)
        return [msgspec.structs.replace(r, terminated=over, truncated=r.is_last) for r in super()._play()]


def ours(game: str, seed: int, steps: int, kind: type[GymTraining] = GymTraining) -> dict[str, float]:
    """Mean return of the last episodes, and steps a second."""
    preset = SAME if game in GAMES else None
    options = EnvironmentOptions(copies=COPIES)
    training = kind(f"gym:{game}", seed=seed, total_steps=steps, options=options, preset=preset)
    start = time.perf_counter()
    while training.steps < steps:
        training.advance()
    rate = training.steps / (time.perf_counter() - start)
    return {"score": float(np.mean(training.recent)), "steps_per_s": round(rate, 1), "episodes": training.episodes}


def random_player(game: str, seed: int, episodes: int = 300) -> float:
    """Mean return of uniformly random actions."""
    env = make_env(game)
    env.action_space.seed(seed)
    returns = []
    for episode in range(episodes):
        env.reset(seed=seed if episode == 0 else None)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


class Pictures(gymnasium.ObservationWrapper[Any, Any, Any]):
    """What our policy sees, for theirs: u8 [3, 10, 10]."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._view = EnvView(env.observation_space, True, paint_flags=True)
        height, width, _ = self._view.shape
        self.observation_space = gymnasium.spaces.Box(0, 255, (3, height, width), np.uint8)

    def observation(self, observation: Any) -> Any:
        return self._view.row(observation).reshape(self._view.shape).astype(np.uint8).transpose(2, 0, 1)


def theirs(game: str, seed: int, steps: int) -> dict[str, float]:
    """The same with stable-baselines3's PPO."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import DummyVecEnv

    class Body(BaseFeaturesExtractor):
        def __init__(self, space: Any) -> None:
            super().__init__(space, 128)
            self.net = torch.nn.Sequential(
                torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16 * 64, 128),
                torch.nn.ReLU(),
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)

    monitors = [Monitor(Pictures(make_env(game))) for _ in range(COPIES)]
    envs = DummyVecEnv([lambda m=m: m for m in monitors])
    envs.seed(seed * 1000)
    config = SMALL_PICTURE_CONFIG
    model = PPO(
        "CnnPolicy", envs, seed=seed, n_steps=STRETCH, batch_size=STRETCH * COPIES // config.minibatches,
        n_epochs=config.epochs, learning_rate=lambda left: config.lr * left, gamma=config.gamma,
        gae_lambda=config.lam, clip_range=config.clip, clip_range_vf=config.clip, ent_coef=config.entropy_weight,
        vf_coef=config.value_weight / 2.0, max_grad_norm=config.max_grad, device="cpu",
        policy_kwargs={"features_extractor_class": Body, "net_arch": []},
    )  # fmt: skip
    start = time.perf_counter()
    model.learn(steps)
    rate = model.num_timesteps / (time.perf_counter() - start)
    ended = sorted(
        (t, r) for m in monitors for t, r in zip(m.get_episode_times(), m.get_episode_rewards(), strict=True)
    )
    last = [r for _, r in ended[-LAST:]]
    return {"score": float(np.mean(last)), "steps_per_s": round(rate, 1), "episodes": len(ended)}


PLAYERS: Final = ("random", "ours", "sb3")
ARMS: Final = tuple(f"{player} {game}" for player in PLAYERS for game in GAMES)
REDUCED_ARMS: Final = ("random", "ours", "deathless")


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One player of one game; `reduced` as said above."""
    player, _, game = (arm, "", REDUCED_GAME) if reduced else arm.partition(" ")
    steps = REDUCED_STEPS if reduced else int(os.environ.get("BENCH_STEPS", STEPS))
    if player == "random":
        return {"score": random_player(game, seed)}
    if player in ("ours", "deathless"):
        return ours(game, seed, steps, GymTraining if player == "ours" else Deathless)
    if importlib.util.find_spec("stable_baselines3") is None:
        raise SystemExit('stable-baselines3 is missing: pip install "stable-baselines3>=2.9,<3"')
    return theirs(game, seed, steps)


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Statistics of the seeds, and whether the test is passed."""
    if reduced:
        floor = float(np.mean([row["random"]["score"] for row in rows]))
        minimum = min(row["ours"]["score"] for row in rows)
        maximum = max(row["deathless"]["score"] for row in rows)
        passed = minimum >= 4.0 * floor and maximum < 2.0 * floor
        return {"game": REDUCED_GAME, "steps": REDUCED_STEPS, "random": floor, "rows": rows, "passed": passed}
    games: dict[str, Any] = {}
    for game in GAMES:
        of = [{player: row[f"{player} {game}"] for player in PLAYERS} for row in rows]
        floor = float(np.mean([row["random"]["score"] for row in of]))
        stats = {name: summary([row[name]["score"] for row in of]) for name in ("ours", "sb3")}
        ratio = stats["ours"]["iqm"] / stats["sb3"]["iqm"] if stats["sb3"]["iqm"] else 0.0
        long_enough = stats["sb3"]["mean"] >= 3.0 * floor
        rates = {name: round(float(np.mean([row[name]["steps_per_s"] for row in of])), 1) for name in ("ours", "sb3")}
        games[game] = {
            "random": round(floor, 3), "statistics": stats, "iqm_ratio": round(ratio, 3), "long_enough": long_enough,
            "steps_per_s": rates, "passed": long_enough and ratio >= 0.9, "rows": of,
        }  # fmt: skip
    return {
        "steps": int(os.environ.get("BENCH_STEPS", STEPS)), "copies": COPIES,
        "config": msgspec.to_builtins(SMALL_PICTURE_CONFIG), "games": games,
        "passed": all(g["passed"] for g in games.values()),
    }  # fmt: skip
