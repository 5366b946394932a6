"""Are actions told of a player that the model never saw, in the arena and in ViZDoom?

    python -m tools.bench.labels.players --recordings FOLDER [--games arena,vizdoom] [--steps 200] [--out FILE]

A model learns from recordings of one player and is measured on unseen episodes of another, and the reverse: pilot and
kiter in the arena; in ViZDoom (HealthGathering) random choices that are held, and a walker that goes straight and
turns. Beside each figure stands that of copying the action before. Three inputs: pictures, flow, both. Parts are kept:
the same command goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from agent.control.policies import build_policy
from agent.core.types import Action, EnvAction, Observation
from agent.games.hosting import build_game
from agent.games.options import GameOptions
from agent.learning.inverse_dynamics.judging import measured
from agent.learning.inverse_dynamics.labels import Labeller
from agent.learning.pixels.episodes import Episodes
from agent.learning.pixels.load import open_episodes
from agent.training.pixels.record import Recorder, write_episodes
from tools.bench._result_file import publish
from tools.bench.labels._parts import part
from tools.bench.labels._training import trained

BENCH: Final = "labels_players"
SIZE_PX: Final = 64
PLAYERS: Final = {"arena": ("pilot", "kiter"), "vizdoom": ("random", "walker")}
GAMES: Final = {"arena": "arena", "vizdoom": "gym:vizdoom.gymnasium_wrapper:VizdoomHealthGathering-v1"}
FRAME_SKIP: Final = 4
ARENA_HZ: Final = 10
LEARNED, CALIBRATING, TESTED = 12, 2, 4
TEST_SEED: Final = 5000


class Walker:
    """Goes straight in ViZDoom, and turns for a while now and then."""

    name = "walker"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def initial(self, games: int) -> Any:
        """A random generator, the choice, and for how many decisions it lasts."""
        self._seed += 1
        return [np.random.default_rng(self._seed), 1, 0]

    def step(self, carry: Any, observations: Sequence[Observation | None]) -> Any:
        """One choice for each observation."""
        rng, choice, left = carry
        if left == 0:
            choice = 1 if choice != 1 else int(rng.integers(2, 4))
            left = int(rng.integers(4, 20)) if choice == 1 else int(rng.integers(2, 9))
        action = Action(env=EnvAction((), (int(choice),)))
        return [rng, choice, left - 1], [None if o is None else action for o in observations]


def record(folder: Path, game: str, player: str, seed: int, episodes: int, frames: int) -> Episodes:
    """Episodes of one player, recorded where they are not there."""
    out = folder / game / f"{player}-{seed}"
    skip = {} if game == "arena" else {"frame_skip": FRAME_SKIP}
    hosted = build_game(GameOptions(game=GAMES[game], **skip).from_run(seed), lambda text: None)
    every = round(1.0 / (ARENA_HZ * hosted.tick_s)) if game == "arena" else 1
    policy: Any = build_policy(player, seed=seed) if game == "arena" else Walker(seed)
    recorder = Recorder(
        hosted, None if player == "random" else policy, every=every, max_frames=frames, start="run", size_px=SIZE_PX
    )
    meta = {"hz": 1.0 / (hosted.tick_s * every), "policy": player, "game": GAMES[game]}
    try:
        write_episodes(recorder, out, prefix=player, episodes=episodes, seed=seed, meta=meta)
    finally:
        hosted.close()
    return open_episodes(out, size_px=SIZE_PX, cache=folder / "pictures")


def speed(labeller: Labeller, episodes: Episodes) -> float:
    """How many times faster than it was played an episode is labelled, on one thread."""
    torch.set_num_threads(1)
    episode = episodes.items[0]
    labeller.label(episode.frames[:40])
    start_s = time.thread_time()
    labeller.label(episode.frames)
    return round(len(episode) * episode.dt_s / (time.thread_time() - start_s), 1)


def measure(folder: Path, game: str, player: str, inputs: str, steps: int, frames: int) -> dict[str, Any]:
    """One model: what it tells of the other player, and of its own on unseen episodes."""
    one, two = PLAYERS[game]
    other = two if player == one else one
    episodes = record(folder, game, player, 0, LEARNED + CALIBRATING, frames)
    learned, held_out = episodes.of(range(LEARNED)), episodes.of(range(LEARNED, len(episodes)))
    labeller = trained(learned, held_out, steps, inputs=inputs)
    tested = {name: record(folder, game, name, TEST_SEED, TESTED, frames) for name in (other, player)}
    return {
        "other": measured(labeller, tested[other]), "own": measured(labeller, tested[player]),
        "pictures": learned.pictures, "real_time": speed(labeller, tested[other]),
    }  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--games", default="arena,vizdoom")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    asked = {"steps": args.steps, "frames": args.frames}
    values: dict[str, Any] = {}
    for game in args.games.split(","):
        values[game] = {}
        for inputs in ("both", "flow", "pixels"):
            for player in PLAYERS[game] if inputs == "both" else PLAYERS[game][:1]:
                values[game][f"{player}_{inputs}"] = part(
                    BENCH, f"{game}-{player}-{inputs}", asked,
                    partial(measure, args.recordings, game, player, inputs, args.steps, args.frames),
                )  # fmt: skip
    publish(BENCH, {**asked, **values}, args.out)


if __name__ == "__main__":
    main()
