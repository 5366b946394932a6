"""The games of the comparison: both sides step the very same environments. Imports nothing of the agent."""

from __future__ import annotations

from typing import Final, NamedTuple

HELD_OUT_SEED: Final = 900_000_000
EPISODES: Final = 30
LAST: Final = 100


class Game(NamedTuple):
    """A Gymnasium environment: the module that registers it, its id, arguments, and the steps that both may take.

    kind: how stable-baselines3 is given it, see `theirs`. reduced: the steps where less time is there.
    """

    module: str
    env_id: str
    steps: int
    kind: str
    reduced: int
    arguments: str = ""

    @property
    def spec(self) -> str:
        """The name as `--game` takes it."""
        module = f"{self.module}:" if self.module else ""
        return f"gym:{module}{self.env_id}" + (f"?{self.arguments}" if self.arguments else "")


VIZDOOM: Final = "vizdoom.gymnasium_wrapper"
GAMES: Final = {
    "cartpole": Game("", "CartPole-v1", 50_000, "vectors", 50_000),
    "lunar-lander": Game("", "LunarLander-v3", 200_000, "vectors", 200_000),
    "seaquest": Game("minatar.gym", "MinAtar/Seaquest-v1", 500_000, "flags", 100_000),
    "space-invaders": Game("minatar.gym", "MinAtar/SpaceInvaders-v1", 500_000, "flags", 100_000),
    "doorkey": Game("minigrid", "MiniGrid-DoorKey-6x6-v0", 200_000, "grid", 100_000),
    "doom-basic": Game(VIZDOOM, "VizdoomBasic-v1", 50_000, "screen", 20_000, "frame_skip=4"),
    "doom-health": Game(VIZDOOM, "VizdoomHealthGathering-v1", 50_000, "screen", 20_000, "frame_skip=4"),
}
