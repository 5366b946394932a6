"""How much of their time do players of the arena lose in loops?

    python -m tools.bench.loop_shares [--runs 24] [--seconds 100] [--jobs 1] [--out FILE]

Every player plays `--runs` runs of all tiers and characters for so long, of the game's time, as training plays; loops
are found as `train --loop-starts` finds them. A second time the arena is without enemies, so that nothing is gained
where a player stands. `wall` walks straight on, `still` stands, `random` turns anew fifteen times a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.untrained import default_sizes, pilot_of
from agent.core.types import FloatArray
from agent.models.policies import PilotPolicy
from agent.training.arena.batch import ArenaBatch
from agent.training.arena.loop_starts import LoopStarts
from agent.training.arena.stretch import ArenaGames
from agent.training.arena.teacher import Teacher
from agent.training.arena.train import START_LOG_STD, all_casts
from agent.training.collect import PolicyActor
from tools.bench._result_file import publish

PLAYERS: Final = ("still", "wall", "random", "teacher", "untrained", "pilot")
SEED: Final = 50_000_000
DECISIONS_HZ: Final = 15
NO_SPAWNS: Final = -1e9
Deeds = tuple[FloatArray, Any, Any]


def scripted(name: str, runs: int) -> Callable[[ArenaBatch], Deeds]:
    """A player that needs no network."""
    rng, none = np.random.default_rng(0), np.zeros((runs, 3), np.int32)
    teacher = Teacher()

    def act(batch: ArenaBatch) -> Deeds:
        if name == "teacher":
            return teacher.act(batch)
        axes = np.zeros((runs, 4), np.float32)
        if name == "random":
            axes[:] = rng.uniform(-1.0, 1.0, axes.shape)
        elif name == "wall":
            axes[:, :2] = 1.0, 0.3
        else:
            axes[:, 0] = 1e-3
        return axes, none, none[:, 0]

    return act


def trained(name: str, runs: int) -> Callable[[ArenaBatch], Deeds]:
    """A pilot that samples its actions, as in training."""
    torch.manual_seed(0)
    policy = PilotPolicy(default_sizes())
    torch.nn.init.constant_(policy.pilot.axes_log_std, START_LOG_STD)
    if name == "pilot":
        policy.pilot.load_state_dict(pilot_of(pilot_tensors(SHIPPED)).state_dict())
    actor = PolicyActor(policy, runs)

    def act(batch: ArenaBatch) -> Deeds:
        deed = actor(ArenaGames(batch).seen())
        choices = deed.choices.astype(np.int32)
        return deed.axes, np.ascontiguousarray(choices[:, :3]), np.ascontiguousarray(choices[:, 3])

    return act


def share(player: str, runs: int, seconds: float, *, enemies: bool) -> dict[str, float]:
    """Seconds of play, and those of them in loops."""
    torch.set_num_threads(1)
    starts = LoopStarts(runs, share=0.0, seed=0)
    batch = ArenaBatch(runs, SEED, casts=all_casts(), starts=starts)
    act = (trained if player in ("untrained", "pilot") else scripted)(player, runs)
    for _ in range(round(seconds * DECISIONS_HZ)):
        if not enemies:
            batch.records["spawn_credit"], batch.records["foes"] = NO_SPAWNS, 0
        batch.step(*act(batch))
    lost_s = starts.lost_s + starts.now_s()
    watched_s = starts.watched_s
    return {"watched_s": round(watched_s), "lost_s": round(lost_s), "share": round(lost_s / watched_s, 4)}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with ProcessPoolExecutor(args.jobs) as pool:
        found = {
            place: {p: pool.submit(share, p, args.runs, args.seconds, enemies=place == "arena") for p in PLAYERS}
            for place in ("arena", "without_enemies")
        }
        values = {place: {p: future.result() for p, future in of.items()} for place, of in found.items()}
    publish("loop_shares", {"runs": args.runs, "seconds": args.seconds, **values}, args.out)


if __name__ == "__main__":
    main()
