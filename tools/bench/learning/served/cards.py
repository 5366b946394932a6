"""Cards by outcomes in the arena: the shipped pilot with its own cards, and with those that a model of outcomes takes.

Tiers 1, 2 and 3, every character, 8 unseen seeds each: 64 runs of an arm, the same for all, in lock-step, by what is
likeliest. CHARACTER plays one character alone, BENCH_STEPS sets the seeds, `--arm` runs one arm. The arms are the
pilot's own cards (the control), the shipped model's, and those of the file that the environment's MODEL names, one that
`train outcomes` made. A model is worth shipping where the paired difference to the control does not lie below 0 in any
tier where it chooses; the shipped one chooses in tier 1.
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
from agent.games.arena.catalog import load_catalog
from agent.games.arena.rules_hash import rules_hash
from agent.learner.outcomes import SHIPPED
from agent.models.sealed import load_sealed
from agent.training.arena.batch import Cast
from agent.training.arena.choices import PilotRuns, score
from agent.training.arena.train import all_casts

DEFAULT_SEEDS: Final = 3
FIRST_SEED: Final = 82_000_000
EACH: Final = 8
CHARACTERS: Final = tuple(c["name"] for c in load_catalog().characters)
TIERS: Final = (1, 2, 3)
OWN: Final = "own cards"
SHIPPED_CARDS: Final = "shipped model"
TRAINED: Final = "trained model"
ARMS: Final = tuple(f"tier {tier}, {cards}" for tier in TIERS for cards in (OWN, SHIPPED_CARDS, TRAINED))
REDUCED_ARMS: Final = (f"tier 1, {SHIPPED_CARDS}",)
REDUCED_DECISIONS: Final = 200


def model_of(cards: str) -> Path | None:
    """The file of the model that takes the cards; None where the pilot does, or no model was trained."""
    made = os.environ.get("MODEL")
    return {OWN: None, SHIPPED_CARDS: SHIPPED, TRAINED: Path(made) if made else None}[cards]


def played(seeds: range, casts: list[Cast], model: Path | None, maximum: int | None) -> list[tuple[float, bool]]:
    """Score and win of each run, by a model's cards or the pilot's own."""
    chooser = CardChooser(WANTED)
    _, tensors = load_sealed(model or SHIPPED)
    chooser.load(chooser.prepare(tensors, "cards"), 1, "")
    runs = PilotRuns(len(seeds) * len(casts), seeds.start, pilot_tensors(PILOT), casts=casts)
    return [(run.score_s, run.won) for run in score(runs, chooser, on=model is not None, maximum=maximum).ended]


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """Score and win of each run."""
    torch.manual_seed(0)
    tier, cards = int(arm.split(",")[0].split()[1]), arm.partition(", ")[2]
    model = model_of(cards)
    if cards == TRAINED and model is None:
        return {}
    only = os.environ.get("CHARACTER", "")
    if only and only not in CHARACTERS:
        raise SystemExit(f"CHARACTER={only}: one of {', '.join(CHARACTERS)}")
    casts = [c for c in all_casts() if c.tier == tier - 1 and only in ("", CHARACTERS[c.character])]
    each = 1 if reduced else int(os.environ.get("BENCH_STEPS") or EACH)
    first = FIRST_SEED + each * seed
    rows = played(range(first, first + each), casts, model, REDUCED_DECISIONS if reduced else None)
    print(f"seed {seed}, {arm}: {sum(won for _, won in rows)} of {len(rows)} won", flush=True)
    notes = {} if model is None else load_sealed(model)[0].notes
    return {"scores_s": [round(s, 1) for s, _ in rows], "won": [won for _, won in rows], "model": notes}


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every model beside the pilot's own cards, tier by tier."""
    found, checks = {}, {}
    for tier in () if reduced else TIERS:
        own = [row.get(f"tier {tier}, {OWN}") for row in rows]
        if not all(own):
            continue
        table = {OWN: _table(own, own)}
        for cards in (SHIPPED_CARDS, TRAINED):
            parts = [row.get(f"tier {tier}, {cards}") for row in rows]
            if all(parts):
                table[cards] = _table(parts, own)
                checks[f"tier {tier}: the {cards} is not below the pilot's own cards"] = (
                    table[cards]["minus_own_s"]["high"] >= 0
                )
        found[f"tier {tier}"] = table
    chosen = {name: holds for name, holds in checks.items() if name.startswith("tier 1") or TRAINED in name}
    return {
        "rules": rules_hash(), "character": os.environ.get("CHARACTER", ""), **found, "checks": checks, "rows": rows,
        "passed": all(chosen.values()),
    }  # fmt: skip


def _table(parts: list[Any], own: list[Any]) -> dict[str, Any]:
    scores, others = ([s for p in rows for s in p["scores_s"]] for rows in (parts, own))
    won, won_by_others = ([float(w) for p in rows for w in p["won"]] for rows in (parts, own))
    less, fewer = paired_difference(scores, others), paired_difference(won, won_by_others)
    return {
        "runs": len(scores), "wins": int(sum(won)), "score_s": summary(scores),
        "minus_own_s": {k: round(v, 1) for k, v in less._asdict().items()},
        "wins_minus_own": {k: round(v, 3) for k, v in fewer._asdict().items()}, "model": parts[0]["model"],
    }  # fmt: skip
