"""Learning from what environments show: boards and matrices beside their flat twins, one frame beside a stack of four.

    python -m tools.bench.observations [--steps 24576] [--stack-steps 32768] [--out docs/results/observations.json]

Each is `train` on a game of twenty steps that pays 1 for the right one of two actions: guessing returns 10. Passes
where the twins end with the same weights and above a guess, and where the stack beats one frame, which shows where a
dot is and not where it goes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions
from tools.bench._result_file import publish

GUESS: Final = 10.0
LEARNED: Final = 12.0
"""A return that guessing does not reach over 100 episodes: three deviations are 0.7."""


class Game(gymnasium.Env[Any, Any]):
    """Twenty steps; the reward is 1 where the action was right. `look` says what is seen, and what is right."""

    action_space: Any = spaces.Discrete(2)
    right = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """The first observation."""
        super().reset(seed=seed)
        self.t, self.begun = 0, True
        return self.look(), {}

    def step(self, action: Any) -> Any:
        """One answer."""
        reward, self.t, self.begun = float(action == self.right), self.t + 1, False
        return self.look(), reward, self.t >= 20, False, {}

    def look(self) -> Any:
        """What is seen; sets `right`."""
        raise NotImplementedError


class Board(Game):
    """Their only piece, -1, lies left or right."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.observation_space = spaces.Box(-1, 1, shape, np.int8)

    def look(self) -> Any:
        """A board with one piece."""
        self.right = int(self.np_random.integers(2))
        board = np.zeros((8, 8), np.int8)
        board[self.np_random.integers(8), self.np_random.integers(4) + 4 * self.right] = -1
        return board.reshape(self.observation_space.shape or ())


class Matrix(Game):
    """Numbers without bounds, mostly below 0; on average one higher where right is right."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, shape, np.float32)

    def look(self) -> Any:
        """Noise around -5 or -4."""
        self.right = int(self.np_random.integers(2))
        numbers = self.np_random.normal(size=self.observation_space.shape) - 5.0 + self.right
        return numbers.astype(np.float32)


class Drift(Game):
    """A dot on a ring of ten drifts left or right for a whole episode: one frame does not say where to."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.observation_space = spaces.Box(0, 255, (10, 10, frames), np.uint8)

    def look(self) -> Any:
        """The newest frames."""
        if self.begun:
            self.at, self.right = int(self.np_random.integers(10)), int(self.np_random.integers(2))
            self.seen: list[Any] = []
        self.at = (self.at + 2 * self.right - 1) % 10
        frame = np.zeros((10, 10, 1), np.uint8)
        frame[5, self.at] = 255
        self.seen = [*([frame] * (self.frames - len(self.seen) - 1)), *self.seen, frame][-self.frames :]
        return np.concatenate(self.seen, 2)


def board() -> Game:
    """A board."""
    return Board((8, 8))


def flat_board() -> Game:
    """Its 64 numbers."""
    return Board((64,))


def matrix() -> Game:
    """A matrix."""
    return Matrix((10, 12))


def flat_matrix() -> Game:
    """Its 120 numbers."""
    return Matrix((120,))


def one_frame() -> Game:
    """Where the dot is."""
    return Drift(1)


def four_frames() -> Game:
    """Where the dot was and is."""
    return Drift(4)


TWINS: Final = {"board": "flat_board", "matrix": "flat_matrix"}


def trained(factory: str, steps: int, copies: int = 8) -> tuple[GymTraining, float]:
    """A training of so many steps on what a factory of this module makes, and the return of its last 100 episodes."""
    options = EnvironmentOptions(copies=copies)
    training = GymTraining(f"tools.bench.observations:{factory}", seed=0, total_steps=steps, options=options)
    metrics: dict[str, float] = {}
    while training.steps < steps:
        metrics = training.advance()
    return training, metrics["episode_return"]


def are_equal(one: GymTraining, other: GymTraining) -> bool:
    """True where both have the same weights, to the bit."""
    ours, theirs = one.policy.state_dict(), other.policy.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def twins(kind: str, steps: int, copies: int = 8) -> dict[str, Any]:
    """What is learned from a kind and from its flat twin."""
    shaped, flat = trained(kind, steps, copies), trained(TWINS[kind], steps, copies)
    return {"episode_return": shaped[1], "flat": flat[1], "same_weights": are_equal(shaped[0], flat[0])}


def main() -> None:
    """Train on each and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24_576)
    parser.add_argument("--stack-steps", type=int, default=32_768)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = {kind: twins(kind, args.steps) for kind in TWINS}
    one, four = (trained(factory, args.stack_steps)[1] for factory in ("one_frame", "four_frames"))
    passed = all(f["same_weights"] and f["episode_return"] > LEARNED for f in found.values())
    passed &= one < LEARNED < four - 2.0
    values = {
        "steps": args.steps, "stack_steps": args.stack_steps, "guess": GUESS, "twins": found,
        "one_frame": one, "four_frames": four, "passed": passed,
    }  # fmt: skip
    publish("observations", values, args.out)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
