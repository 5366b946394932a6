"""Wins of the script that gives a pilot's lessons in the arena, by tier and character, on seeds that nobody trained on.

    python -m tools.bench.teacher [--runs 10] [--seed 800000] [--knob NAME=VALUE …] [--out docs/results/teacher.json]

Each tier and character plays `--runs` seeds in a row, a decision every four ticks, as in lessons. Passes where each
character wins 95 % in tier 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from agent.control.menus import PRESS_EVERY
from agent.control.reward import CAP_S
from agent.core.statistics import summary
from agent.core.suggest import did_you_mean
from agent.games.arena import state as layout
from agent.games.arena.rules_hash import rules_hash
from agent.games.arena.world import Worlds
from agent.training.arena.batch import CHOOSES, Cast, advance_all, run_seed
from agent.training.arena.teacher import KNOBS, Knobs, act_all
from agent.training.arena.train import all_casts
from agent.training.arena.worth import WEIGHTS, Weights
from tools.bench._result_file import publish

TICKS = 4
AIM = 0.95
KNOWN = (*KNOBS._fields, *WEIGHTS._fields)


def whole_runs(casts: list[Cast], seeds: list[int], knobs: Knobs, weights: Weights) -> list[tuple[bool, float]]:
    """Whether each run is won, and its score in seconds; run k is of casts[k] and seeds[k]."""
    worlds, count = Worlds(len(casts)), len(casts)
    for row, (cast, seed) in enumerate(zip(casts, seeds, strict=True)):
        worlds.reset(row, run_seed(seed, 0), character=cast.character, tier=cast.tier)
    r, rules = worlds.records, worlds.catalog.rules
    elapsed_ticks = np.zeros(count, np.float32)
    last, held = np.zeros((count, 4), np.float32), np.zeros((count, 3), np.int32)
    while ((r["phase"] < layout.DEAD) & (r["time_s"] < CAP_S)).any():
        axes, buttons, cards = np.zeros_like(last), np.zeros_like(held), np.zeros(count, np.int32)
        act_all(r, rules, last, held, np.isin(r["phase"], CHOOSES), axes, buttons, cards, knobs, weights)
        playing = (r["phase"] == layout.PLAY) & (r["time_s"] < CAP_S)
        last[playing], held[playing] = axes[playing], buttons[playing]
        advance_all(r, rules, worlds.controls, last, held, cards, TICKS, elapsed_ticks, PRESS_EVERY)
    won = r["phase"] == layout.WON
    return [(bool(w), CAP_S if w else min(float(t), CAP_S)) for w, t in zip(won, r["time_s"], strict=True)]


def main() -> None:
    """Play and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=800_000)
    parser.add_argument("--knob", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--tiers", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    changed: dict[str, float] = {}
    for name, _, value in (text.partition("=") for text in args.knob):
        if name not in KNOWN:
            parser.error(f"--knob {name}: there are {', '.join(KNOWN)}{did_you_mean(name, KNOWN)}")
        try:
            changed[name] = float(value)
        except ValueError:
            parser.error(f"--knob {name}={value}: {value!r} is no number")
    knobs = KNOBS._replace(**{k: v for k, v in changed.items() if k in KNOBS._fields})
    weights = WEIGHTS._replace(**{k: v for k, v in changed.items() if k in WEIGHTS._fields})
    names = [c["name"] for c in Worlds(1).catalog.characters]
    tiers, good = {}, True
    for tier in args.tiers:
        casts = [cast for cast in all_casts() if cast.tier == tier - 1]
        plan = [(cast, args.seed + k) for cast in casts for k in range(args.runs)]
        found = whole_runs([c for c, _ in plan], [s for _, s in plan], knobs, weights)
        wins = {
            names[c.character]: sum(won for (cast, _), (won, _) in zip(plan, found, strict=True) if cast == c)
            for c in casts
        }
        good = good and (tier != 1 or min(wins.values()) >= AIM * args.runs)
        share = summary([float(won) for won, _ in found])
        tiers[f"tier {tier}"] = {
            "wins": sum(wins.values()), "runs": len(found), "win_share": share,
            "score_s": summary([score for _, score in found]), "wins_by_character": wins,
        }  # fmt: skip
        print(f"tier {tier}: {tiers[f'tier {tier}']['wins']} of {len(found)}: {wins}", file=sys.stderr, flush=True)
    values = {
        "rules": rules_hash(), "seed": args.seed, "runs_each": args.runs, "knobs": knobs._asdict(),
        "weights": weights._asdict(), **tiers, "passed": good,
    }  # fmt: skip
    publish("teacher", values, args.out)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
