"""Cards by outcomes in the arena: the shipped pilot with its own cards, and with those that a model of outcomes takes.

Tiers 1 and 2, every character, 8 unseen seeds each: 64 runs of an arm, the same for all, in lock-step, by what is
likeliest. The arms are the pilot's own cards (the control), and each model: the shipped one, and others of `MODELS`
(files separated by commas, in the environment). A model is worth shipping where the paired difference to the control
does not lie below 0 in any tier.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import torch

from agent.control.cards.chooser import CardChooser
from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED as PILOT
from agent.core.choices import WANTED
from agent.core.statistics import paired_difference, summary
from agent.games.arena.rules_hash import rules_hash
from agent.learner.outcomes import SHIPPED
from agent.models.sealed import load_sealed
from agent.training.arena.batch import Cast
from agent.training.arena.choices import PilotRuns, score
from agent.training.arena.train import all_casts

DEFAULT_SEEDS: Final = 8
FIRST_SEED: Final = 82_000_000
TIERS: Final = (1, 2)
OWN: Final = "own cards"


def models() -> dict[str, Path]:
    """The models of outcomes by name."""
    others = [Path(name) for name in os.environ.get("MODELS", "").split(",") if name]
    return {"shipped": SHIPPED, **{path.stem: path for path in others}}


def played(seeds: range, casts: list[Cast], model: Path | None, maximum: int | None) -> list[tuple[float, bool]]:
    """Score and win of each run, by a model's cards or the pilot's own."""
    chooser = CardChooser(WANTED)
    _, tensors = load_sealed(model or SHIPPED)
    chooser.load(chooser.prepare(tensors, "cards"), 1, "")
    runs = PilotRuns(len(seeds) * len(casts), seeds.start, pilot_tensors(PILOT), casts=casts)
    return [(run.score_s, run.won) for run in score(runs, chooser, on=model is not None, maximum=maximum).ended]


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """Play every arm in every tier, compare."""
    torch.manual_seed(0)
    if reduced:
        casts = [Cast(0, 0)]
        return {"reduced_runs": len(played(range(FIRST_SEED, FIRST_SEED + 1), casts, SHIPPED, 200)), "passed": True}
    numbers = range(FIRST_SEED + seeds[0], FIRST_SEED + seeds[0] + len(seeds))
    found: dict[str, Any] = {}
    for tier in TIERS:
        casts = [cast for cast in all_casts() if cast.tier == tier - 1]
        arms = {OWN: played(numbers, casts, None, None)}
        arms |= {name: played(numbers, casts, path, None) for name, path in models().items()}
        found[f"tier {tier}"] = {name: _table(rows, arms[OWN]) for name, rows in arms.items()}
        print(f"tier {tier}: { {name: t['wins'] for name, t in found[f'tier {tier}'].items()} }", flush=True)
    notes = {name: load_sealed(path)[0].notes for name, path in models().items()}
    checks = {
        f"tier {tier}, {name}: not below the pilot's own cards": found[f"tier {tier}"][name]["minus_own_s"]["high"] >= 0
        for tier in TIERS
        for name in models()
    }
    return {"rules": rules_hash(), "first_seed": numbers.start, "models": notes, **found, "checks": checks,
            "passed": all(checks.values())}  # fmt: skip


def _table(rows: list[tuple[float, bool]], own: list[tuple[float, bool]]) -> dict[str, Any]:
    scores, others = [s for s, _ in rows], [s for s, _ in own]
    less = paired_difference(scores, others)
    wins = paired_difference([float(w) for _, w in rows], [float(w) for _, w in own])
    return {
        "runs": len(rows), "wins": sum(w for _, w in rows), "score_s": summary(scores),
        "minus_own_s": {k: round(v, 1) for k, v in less._asdict().items()},
        "wins_minus_own": {k: round(v, 3) for k, v in wins._asdict().items()},
        "scores_s": [round(s, 1) for s in scores],
    }  # fmt: skip
