"""What leaving cards to chance costs: the pilot in tier 1 of the arena, with its cards taken in several ways.

Arms: `greedy`, the control, takes active inference's card, as play does without the scientist; `later` and `first`
are the mixture of play with ε of 0.15 and of 0.3, with the pilot and active inference as voices, rerolls, skips and
banishes, and nothing believed of effects yet. All arms play the same seeds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from agent.control import encode
from agent.control.cards import explorer
from agent.control.cards.chooser import CardChooser
from agent.control.cards.mixture import Beliefs
from agent.control.menus import OTHER
from agent.control.reward import OUTCOMES
from agent.core.choices import WANTED
from agent.core.statistics import paired_difference, summary
from agent.games.arena.rules_hash import rules_hash
from agent.learner.outcomes import SHIPPED
from agent.models.sealed import load_sealed
from tools.bench.learning.cards._runs import Asked, CardRuns, Picked

DEFAULT_SEEDS: Final = 50
SEED: Final = 94_000_000
ROWS: Final = 50
TIERS: Final = (0,)
ARMS: Final = tuple(f"{arm} {tier + 1}" for tier in TIERS for arm in ("greedy", "later", "first"))
REDUCED_ARMS: Final = ("greedy 1", "first 1")
MENUS: Final = {"later": 1000, "first": 0}


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """Scores of `ROWS` runs, for every `ROWS`-th seed; the other seeds are in them."""
    kind, _, tier = arm.partition(" ")
    if seed % ROWS:
        return {"scores_s": []}
    count = 8 if reduced else ROWS
    runs = CardRuns(count, SEED + seed, int(tier) - 1, "pilot", OUTCOMES)
    judge = CardChooser(WANTED)
    judge.load(judge.prepare(load_sealed(SHIPPED)[1], "bench"), 1, "")
    by_chance = explorer.Explorer(lambda game, menu: None, np.random.default_rng(seed), is_arena=True)
    memories = [judge.fresh() for _ in range(count)]

    def pick(asked: Asked) -> Picked:
        features = np.stack([encode.caption_features(caption) for caption in asked.captions])
        memory = memories[asked.row]
        plan = judge.weigh(memory, features, np.ones(3, np.bool_), asked.self_)
        assert plan is not None
        card = int(plan.energy.argmin()) if kind == "greedy" else _chosen(by_chance, asked, -plan.energy, kind)
        if card < 3:
            judge.took(memory, features[card], asked.self_)
            return _sure(card)
        return Picked(0, (), card - OTHER)

    scores: dict[int, float] = {}
    while len(scores) < count:
        for memory in memories:
            judge.begin(memory)
        ended = runs.advance(pick)
        for memory, reward in zip(memories, runs.reward.tolist(), strict=True):
            memory.total += reward
        for row, run, _ in ended:
            scores.setdefault(row, run.score_s)
            memories[row] = judge.fresh()
            by_chance.began(row)
    return {"scores_s": [scores[row] for row in range(count)]}


def _sure(card: int) -> Picked:
    return Picked(card, tuple(float(k == card) for k in range(3)))


def _chosen(by_chance: explorer.Explorer, asked: Asked, voice: Any, kind: str) -> int:
    """The action by chances, with the ε of this arm whatever was seen."""
    by_chance.load(Beliefs(menus=MENUS[kind]))
    offer = explorer.MenuOffer(
        game=asked.row, kind=asked.kind, captions=asked.captions, logits=asked.logits, voice=voice, motor=0,
        leave=False, learns=0.0, self_=asked.self_, rings=asked.rings, at_s=asked.at_s,
    )  # fmt: skip
    chosen = by_chance.choose(offer).action
    by_chance.closed(asked.row, by_human=False)
    return chosen


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Scores of each arm, and what chance costs against the greedy arm."""
    arms = REDUCED_ARMS if reduced else ARMS
    scores = {arm: [s for row in rows for s in row[arm]["scores_s"]] for arm in arms}
    costs = {}
    for arm in arms:
        kind, _, tier = arm.partition(" ")
        if kind != "greedy" and not reduced:
            found = paired_difference(scores[arm], scores[f"greedy {tier}"])
            costs[f"{arm} minus greedy"] = {k: round(v, 1) for k, v in found._asdict().items()}
    return {
        "rules": rules_hash(), "seed": SEED, "scores": {arm: summary(values) for arm, values in scores.items()},
        "cost_s": costs, "passed": all(len(values) > 0 for values in scores.values()),
    }  # fmt: skip
