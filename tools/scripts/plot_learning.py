"""A picture and a table of the learning benches, from their result files.

    python -m tools.scripts.plot_learning [--results docs/results] [--out docs/results/learning.png]

Draws what it finds of d1_irregular, a1_cartpole (with a1_ppo), f1_tmaze, a4_coin, dreams_onoff and in_play, and prints
a line for each check.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Result = dict[str, Any]


def signal(axes: Any, results: dict[str, Result]) -> None:
    """D1: error of each network."""
    table = results["d1_irregular"]["mse"]
    axes.bar(list(table), [row["same"]["mean"] for row in table.values()])
    axes.set(yscale="log", title="Irregular signal", ylabel="mean squared error")


def cartpole(axes: Any, results: dict[str, Result]) -> None:
    """A1: return over steps of every seed."""
    for key, colour in (("with_continue", "C0"), ("without_continue", "C3")):
        for k, row in enumerate(results["a1_cartpole"]["rows"]):
            curve = row[key]["curve"]
            label = key.replace("_", " ") if k == 0 else None
            axes.plot([int(at) for at in curve], list(curve.values()), colour, label=label, alpha=0.8)
    if "a1_ppo" in results:
        axes.plot(7000, results["a1_ppo"]["mean"]["7000"], "k*", label="PPO, four frames")
    axes.set(title="Masked CartPole, dreams alone", xlabel="steps", ylabel="return, last ten episodes")
    axes.legend()


def maze(axes: Any, results: dict[str, Result]) -> None:
    """F1: success of every agent."""
    table = results["f1_tmaze"]["agents"]
    axes.barh(list(table), [row["success"] for row in table.values()])
    axes.axvline(results["f1_tmaze"]["ceiling"], color="k", linestyle=":")
    axes.set(title="T-maze with a noisy television", xlabel="success (dotted: ceiling)")
    axes.tick_params(axis="y", labelsize=7)


def coin(axes: Any, results: dict[str, Result]) -> None:
    """A4: shares of the two sides by the model's prior."""
    rows = results["a4_coin"]["rows"]
    for side, shift in (("minus", -0.2), ("plus", 0.2)):
        axes.bar([k + shift for k in range(len(rows))], [r["model"][side] for r in rows], 0.35, label=side)
    axes.axhspan(0.45, 0.55, alpha=0.2)
    axes.set(title="Coin: share in the prior", xlabel="seed", ylim=(0, 1))
    axes.legend()


def dreams(axes: Any, results: dict[str, Result]) -> None:
    """Dreams on, off, and told of other states' outcomes: score over that of off, with 95 % intervals."""
    tables = results["dreams_onoff"]["tables"]
    for shift, way in ((-0.25, "on"), (0.0, "off"), (0.25, "shuffled")):
        for k, table in enumerate(tables.values()):
            scale, mean, (low, high) = table["off"]["mean"], table[way]["mean"], table[way]["interval"]
            error = [[(mean - low) / scale], [(high - mean) / scale]]
            axes.bar(k + shift, mean / scale, 0.22, yerr=error, color=f"C{('on', 'off', 'shuffled').index(way)}",
                     label=way if k == 0 else None)  # fmt: skip
    axes.set_xticks(range(len(tables)), list(tables))
    axes.set(title="Dreams at equal steps", ylabel="return, in that of PPO")
    axes.legend()


def in_play(axes: Any, results: dict[str, Result]) -> None:
    """Score over decisions of every arm that learned while it played, with 95 % intervals over unseen runs."""
    for k, (arm, table) in enumerate(results["in_play"]["arms"].items()):
        at = [point["decisions"] for point in table["curve"]]
        axes.plot(at, [point["mean"] for point in table["curve"]], f"C{k}o-", label=arm)
        low, high = ([point[side] for point in table["curve"]] for side in ("low", "high"))
        axes.fill_between(at, low, high, color=f"C{k}", alpha=0.15)
    axes.set(title="Learning in play", xlabel="decisions", ylabel="score on unseen runs, s", ylim=(0, None))
    axes.legend(fontsize=7)


PANELS: dict[str, Callable[[Any, dict[str, Result]], None]] = {
    "d1_irregular": signal, "a1_cartpole": cartpole, "f1_tmaze": maze, "a4_coin": coin,
    "dreams_onoff": dreams, "in_play": in_play,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/learning.png"))
    args = parser.parse_args()
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(args.results.glob("*.json"))}
    there = [name for name in PANELS if name in results]
    if not there:
        raise SystemExit(f"no result of {', '.join(PANELS)} in {args.results}; run tools/bench/learning first")
    figure, grid = plt.subplots(1, len(there), figsize=(5 * len(there), 4), squeeze=False)
    for axes, name in zip(grid[0], there, strict=True):
        PANELS[name](axes, results)
    figure.tight_layout()
    figure.savefig(args.out, dpi=110)
    print("| test | check | result |\n|---|---|---|")
    for name, result in results.items():
        for check, passed in result.get("checks", {}).items():
            print(f"| {name} | {check} | {'yes' if passed else 'NO'} |")


if __name__ == "__main__":
    main()
