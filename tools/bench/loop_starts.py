"""Does training that starts some runs before loops lose less time in loops?

    python -m tools.bench.loop_starts [--seeds 2] [--stretches 60] [--jobs 1] [--parts FOLDER] [--out FILE]

In the arena as it is nobody loses time in loops (`loop_shares`), so this is the arena without enemies: a run of 45 s
pays 0.05 for each cell of 2 m that is entered first, and 0.1 for each gold. An untrained pilot learns it by PPO, as
`train` does it, in three arms: all runs from their start (`none`), a fifth of them from before loops (`loops`), a
fifth from states of other runs at random instants (`random`). Then each plays 48 runs from their start: the share of
time in loops, and what a run pays. Parts that are in `--parts` are not measured again.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from agent.control.untrained import default_sizes
from agent.games.arena.terrain import HALF_M
from agent.learning.ppo.update import PPO
from agent.models.policies import PilotPolicy
from agent.training.arena.batch import ArenaBatch, Outcome
from agent.training.arena.loop_starts import NO_START, LoopStarts
from agent.training.arena.stretch import Player
from agent.training.arena.train import FIRST_SEED, LENGTH, PPO_CONFIG, START_LOG_STD, STRETCH, all_casts
from tools.bench._result_file import publish

ARMS: Final = ("none", "loops", "random")
RUNS: Final = 48
RUN_S: Final = 45.0
SHARE: Final = 0.2
CELL_PAYS, GOLD_PAYS = 0.05, 0.1
KEEP_EVERY: Final = 997
"""Looks from one random start to the next."""
EVALUATED_SEED: Final = 60_000_000


class Exploring(ArenaBatch):
    """Runs of the arena without enemies, which pay for new places and gold."""

    def __init__(self, count: int, seed: int, starts: LoopStarts) -> None:
        cells = int(HALF_M) + 1
        self._visited = np.zeros((count, cells, cells), np.bool_)
        self._gold, self._began_s = np.zeros(count), np.zeros(count)
        self.paid = list[float]()
        self._pays = np.zeros(count)
        super().__init__(count, seed, casts=all_casts(), starts=starts)

    def _begin(self, row: int) -> None:
        super()._begin(row)
        self._visited[row] = False
        self._gold[row], self._began_s[row] = self.records[row]["gold"], self.records[row]["time_s"]
        if self._pays[row]:
            self.paid.append(float(self._pays[row]))
        self._pays[row] = 0.0

    def _outcome(self, playing: NDArray[np.bool_]) -> Outcome:
        self.records["spawn_credit"], self.records["foes"] = -1e9, 0
        outcome, rows = super()._outcome(playing), np.arange(self.count)
        at = [((self.records[axis] + HALF_M) / 2.0).astype(int).clip(0, self._visited.shape[1] - 1) for axis in "xz"]
        is_new = ~self._visited[rows, at[0], at[1]]
        self._visited[rows, at[0], at[1]] = True
        reward = CELL_PAYS * is_new + GOLD_PAYS * np.maximum(self.records["gold"] - self._gold, 0.0)
        self._gold = self.records["gold"].astype(np.float64)
        self._pays += reward
        is_last = outcome.is_last | (self.records["time_s"] - self._began_s >= RUN_S)
        return msgspec.structs.replace(
            outcome, reward=reward.astype(np.float32), potential=np.zeros(self.count, np.float32), is_last=is_last
        )


class RandomStarts(LoopStarts):
    """The control: starts are states of other runs at random instants, and stay."""

    _looks = 0

    def _look(self, row: int, records: NDArray[Any], time_s: float, acted: bool) -> None:
        super()._look(row, records, time_s, acted)
        self._looks += 1
        if self._looks % KEEP_EVERY == 0:
            self._keep(f"{self._looks}", records[row])

    def _found(self, row: int) -> None:
        """A loop makes no start."""

    def _tried(self, row: int, *, looped: bool) -> None:
        self._trials[row] = NO_START


def evaluated(policy: PilotPolicy, seed: int) -> dict[str, float]:
    """Runs from their start: the share of their time in loops, and what a run pays."""
    starts = LoopStarts(RUNS, share=0.0, seed=0)
    batch = Exploring(RUNS, EVALUATED_SEED + seed, starts)
    player = Player(batch, policy, length=LENGTH, gamma=0.99, lam=0.95)
    while len(batch.paid) < RUNS:
        player.stretch(STRETCH)
    share = (starts.lost_s + starts.now_s()) / starts.watched_s
    return {"loop_share": round(share, 4), "pays": round(float(np.mean(batch.paid)), 3)}


def arm(name: str, seed: int, stretches: int) -> dict[str, Any]:
    """One training, measured before and after."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    policy = PilotPolicy(default_sizes())
    torch.nn.init.constant_(policy.pilot.axes_log_std, START_LOG_STD)
    before = evaluated(policy, seed)
    kind = RandomStarts if name == "random" else LoopStarts
    starts = kind(RUNS, share=0.0 if name == "none" else SHARE, seed=seed)
    batch = Exploring(RUNS, FIRST_SEED * (1 + seed), starts)
    config = msgspec.structs.replace(PPO_CONFIG, gamma=0.99, anneal_updates=stretches)
    player = Player(batch, policy, length=LENGTH, gamma=config.gamma, lam=config.lam)
    ppo = PPO(policy, config, seed=seed)
    for _ in range(stretches):
        ppo.update(player.stretch(STRETCH).sequences)
    after = evaluated(policy, seed)
    return {"arm": name, "seed": seed, "before": before, "after": after, "starts": len(starts.starts)}


def kept(name: str, seed: int, stretches: int, parts: Path | None) -> dict[str, Any]:
    """As `arm`, or what a file has of it."""
    path = parts / f"{name}-{seed}-{stretches}.json" if parts is not None else None
    if path is not None and path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    found = arm(name, seed, stretches)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--stretches", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--parts", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with ProcessPoolExecutor(args.jobs) as pool:
        futures = [
            pool.submit(kept, name, seed, args.stretches, args.parts) for seed in range(args.seeds) for name in ARMS
        ]
        found = [future.result() for future in futures]
    after = {
        name: {
            key: round(float(np.mean([part["after"][key] for part in found if part["arm"] == name])), 4)
            for key in ("loop_share", "pays")
        }
        for name in ARMS
    }
    begun = round(float(np.mean([part["before"]["loop_share"] for part in found])), 4)
    values = {"seeds": args.seeds, "stretches": args.stretches, "before": begun, "after": after, "parts": found}
    publish("loop_starts", values, args.out)


if __name__ == "__main__":
    main()
