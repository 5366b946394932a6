"""Speed of the arena's rules: world-ticks a second on one core, at minute five of real runs.

    python -m tools.bench.arena [--worlds 64] [--repeats 7] [--out docs/results/bench_arena.json]

Every world plays five minutes with all systems on: four weapons from the start, characters that cannot die (or no
world would reach minute five alike), cards taken as they come, movement in circles. Then the clock runs over five
seconds of game, several times; the median counts. Enemies are kept near a hundred a world by the rules' own curves.
Pictures are timed the same way: one world at minute five, 320 × 180, the view turning.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from agent.games.arena import state as layout
from agent.games.arena import stats
from agent.games.arena.game import ArenaGame
from agent.games.arena.rules_hash import rules_hash
from agent.games.arena.world import Worlds
from tools.bench._result_file import publish

WEAPONS = ("FireStaff", "Bow", "Bananarang", "LightningBolt")


def prepare(count: int, minutes: float) -> Worlds:
    """Worlds played to the given minute."""
    worlds = Worlds(count)
    rules = worlds.catalog.rules
    names = [w["name"] for w in worlds.catalog.weapons]
    for w in range(count):
        worlds.reset(w, 1000 + w)
        record = worlds.records[w]
        record["mortal"] = 0
        for name in WEAPONS[1:]:
            stats.give_weapon(record, rules, names.index(name))
    for second in range(round(minutes * 60)):
        steer(worlds, second)
        worlds.run(60)
    return worlds


def steer(worlds: Worlds, second: int) -> None:
    """Everybody runs in a circle of his own, and takes one of the cards in turn."""
    angle = second * 0.35 + np.arange(len(worlds.records))
    worlds.controls["move_x"], worlds.controls["move_y"] = np.cos(angle), np.sin(angle)
    worlds.controls["choice"] = second % 3


def measure(worlds: Worlds, repeats: int) -> dict[str, object]:
    """Rates over `repeats` stretches of five seconds of game."""
    rates, foes, shots = [], [], []
    for repeat in range(repeats):
        played, seconds = 0, 0.0
        for second in range(5):
            steer(worlds, 5 * repeat + second)
            start = time.perf_counter()
            played += worlds.run(60)
            seconds += time.perf_counter() - start
        rates.append(played / seconds)
        foes.append(float(worlds.records["foes"].mean()))
        shots.append(float(worlds.records["shots"].mean()))
    weapons = (worlds.records["weapon"] >= 0).sum(axis=1)
    return {
        "world_ticks_per_s_median": round(statistics.median(rates)),
        "world_ticks_per_s_all": [round(r) for r in rates],
        "enemies_mean": round(statistics.mean(foes), 1),
        "projectiles_mean": round(statistics.mean(shots), 1),
        "weapons_min": int(weapons.min()),
        "level_mean": round(float(worlds.records["level"].mean()), 1),
        "share_playing": round(float((worlds.records["phase"] == layout.PLAY).mean()), 3),
        "minute": round(float(worlds.records["time_s"].mean()) / 60, 2),
    }


def measure_pictures(minutes: float, repeats: int) -> dict[str, object]:
    """Pictures a second of one world, over `repeats` turns of 120 pictures."""
    game = ArenaGame()
    game.worlds.records[:] = prepare(1, minutes).records
    game.screen = None
    rates = []
    for _ in range(repeats):
        seconds = 0.0
        for turn in range(120):
            game.world["yaw"] = turn * 2 * np.pi / 120
            start = time.perf_counter()
            game.render()
            seconds += time.perf_counter() - start
        rates.append(120 / seconds)
    return {
        "pictures_per_s_median": round(statistics.median(rates)),
        "pictures_per_s_all": [round(r) for r in rates],
        "picture_px": list(game.capture_size_px),
        "picture_enemies": int(game.world["foes"]),
    }


def main() -> None:
    """Measure rules and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result = {
        "worlds": args.worlds,
        **measure(prepare(args.worlds, args.minutes), args.repeats),
        **measure_pictures(args.minutes, args.repeats),
        "rules": rules_hash(),
    }
    publish("bench_arena", result, args.out)


if __name__ == "__main__":
    main()
