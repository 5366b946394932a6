"""The scientist in the arena, where effects can be forced: are its estimates right, and is choosing by them worth it?

The kiter walks in tier 3 and somebody else takes the cards. 300 runs are played with cards at random, and the scientist
learns from them. Then:

* Effects of the most frequent cards are measured by force: in other runs the same world goes on with each card of a
  menu. A difference within 1.96 of its standard error agrees; at least nine of ten must.
* Other seeds are played by the scientist's cards (the largest believed effect on the score), by cards at random, and by
  the table that public statistics are (the mean score of the runs in which a card was taken, from the same 300 runs).
  The scientist's interval must lie above those of chance, the control, and of the table.
* The chance of surviving, learned from the 300 runs, is held against the runs of the second.

Parts that are kept under docs/results/parts/cards.arena are not played again. Several may be played at once, each by

    python -c "from tools.bench.learning.cards import arena; arena.part('gathered', 3)"
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.cards.menu import RunRecord
from agent.core.files import write_atomically
from agent.core.statistics import paired_difference, summary
from agent.games.arena.rules_hash import rules_hash
from agent.learner.science.study import CHOOSES_BY, Study, clearest, in_words, row
from agent.learning.causal.survival import TARGETS, calibration_of, features, labels, sigmoid
from tools.bench._result_file import ROOT
from tools.bench.learning._parts import fingerprint
from tools.bench.learning.cards import _forced
from tools.bench.learning.cards._runs import Pick, best_of, play, uniform

DEFAULT_SEEDS: Final = 300
TIER: Final = 2
GATHERED, FORCED, PLAYED = 91_000_000, 92_000_000, 93_000_000
FORCED_RUNS, FORCED_CARDS, FORCED_SHARE = 40, 8, 0.12
PLAYED_RUNS: Final = 100
CHUNK: Final = 50
PARTS: Final = ROOT / "docs" / "results" / "parts" / "cards.arena"
ARMS: Final = ("scientist", "random", "table")


def _kept(name: str, make: Callable[[], Any], *, keep: bool) -> Any:
    """What `make` gives as JSON, from the file that keeps it where that is of the same sources."""
    import tools.bench.learning.cards.arena as own

    mark, path = fingerprint(own), PARTS / f"{name}.json"
    if keep and path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["fingerprint"] == mark:
            print(f"{name}: taken from {path}", flush=True)
            return found["values"]
    values = make()
    print(f"{name}: played", flush=True)
    if keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"fingerprint": mark, "values": values}) + "\n")
    return values


def table_of(records: list[RunRecord]) -> dict[str, float]:
    """The mean score of the runs in which each card was taken."""
    scores: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name in {j.menu.actions[j.menu.picked] for j in record.menus}:
            scores[name].append(record.menus[0].score_s or 0.0)
    return {name: float(np.mean(found)) for name, found in scores.items() if len(found) >= 5}


def pickers(study: Study, records: list[RunRecord], chunk: int) -> dict[str, Pick]:
    """Who takes the cards in each arm."""
    beliefs, table = study.beliefs(), table_of(records)
    middle = float(np.median(list(table.values())))
    return {
        "scientist": best_of(lambda name: beliefs.of(name)[0], np.random.default_rng((1, chunk))),
        "random": uniform(np.random.default_rng((2, chunk))),
        "table": best_of(lambda name: table.get(name, middle), np.random.default_rng((3, chunk))),
    }


def compared(study: Study, forced: dict[str, Any]) -> dict[str, Any]:
    """Estimates beside what was forced, and the share that agree."""
    rows, agree = [], []
    for outcome in _forced.OUTCOMES:
        by_name = {e.name: e for e in study.scientist.effects(outcome)}
        for card, values in forced.items():
            mean, error, menus = values[outcome]
            effect = by_name[card]
            z = (effect.effect - mean) / max(float(np.hypot(effect.error, error)), 1e-9)
            agree.append(abs(z) <= 1.96)
            rows.append({
                "card": card, "outcome": outcome, "estimate": round(effect.effect, 3), "error": round(effect.error, 3),
                "forced": mean, "forced_error": error, "forced_menus": menus, "z": round(float(z), 2),
            })  # fmt: skip
    return {"agree": float(np.mean(agree)), "rms_z": float(np.sqrt(np.mean([r["z"] ** 2 for r in rows]))), "rows": rows}


def survival_of(study: Study, records: list[RunRecord]) -> dict[str, Any]:
    """How well the chances of surviving were calibrated on runs that the model has not seen."""
    told: dict[str, Any] = {}
    for target, name in enumerate(TARGETS):
        chances, outcomes = [], []
        for record in records:
            found = labels(record.situations, record.lived_s, died=record.died, won=record.won)[:, target]
            known = np.isfinite(found)
            coefficients = study.survival.coefficients[target]
            if known.any() and coefficients is not None:
                chances.append(sigmoid(features(record.situations)[known] @ coefficients))
                outcomes.append(found[known])
        values = calibration_of(np.concatenate(chances), np.concatenate(outcomes))
        told[name] = {k: round(v, 4) for k, v in msgspec.to_builtins(values).items()}
    return told


def part(phase: str, chunk: int, count: int = CHUNK, *, keep: bool = True) -> Any:
    """Play one chunk of a phase (`gathered`, or an arm), or take it from where it is kept."""
    seed = (GATHERED if phase == "gathered" else PLAYED) + chunk * CHUNK

    def played() -> Any:
        pick = uniform(np.random.default_rng(seed)) if phase == "gathered" else _picker(phase, chunk)
        found = play(count, seed, TIER, "kiter", pick, count)
        return [[run.score_s, msgspec.to_builtins(record)] for run, record in found]

    return _kept(f"{phase}-{chunk}", played, keep=keep)


def _picker(arm: str, chunk: int) -> Pick:
    study, records = learned(DEFAULT_SEEDS, keep=True)
    return pickers(study, records, chunk)[arm]


def learned(runs: int, *, keep: bool) -> tuple[Study, list[RunRecord]]:
    """What the scientist knows after so many gathered runs, and these."""
    rows = [r for k in range(0, runs, CHUNK) for r in part("gathered", k // CHUNK, min(CHUNK, runs - k), keep=keep)]
    records = msgspec.convert([record for _, record in rows], list[RunRecord])
    study = Study()
    for record in records:
        study.learn(record)
    study.survival.fit()
    return study, records


def forced(study: Study, *, runs: int = FORCED_RUNS, keep: bool = True) -> Any:
    """The effects of the most frequent cards by force."""
    effects = study.scientist.effects(CHOOSES_BY)
    frequent = [e.name for e in sorted(effects, key=lambda e: -e.offers)[:FORCED_CARDS]]

    def force() -> Any:
        waiting = _forced.waiting(runs, FORCED, TIER, frequent, FORCED_SHARE)
        return _forced.effects(waiting, _forced.branches(waiting, FORCED + 500_000, TIER), frequent)

    return _kept("forced", force, keep=keep)


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """Gather, force, play, compare."""
    if reduced:
        study, records = learned(len(seeds) * 16, keep=False)
        rows = play(8, PLAYED, TIER, "kiter", pickers(study, records, 0)["scientist"], 8)
        arms = {"scientist": [run.score_s for run, _ in rows]}
        return summarised(study, compared(study, forced(study, runs=6, keep=False)), arms, {}, reduced)
    study, _ = learned(len(seeds), keep=True)
    arms, held = {}, []
    for arm in ARMS:
        rows = [row for chunk in range(PLAYED_RUNS // CHUNK) for row in part(arm, chunk)]
        arms[arm] = [score for score, _ in rows]
        if arm == "random":
            held = msgspec.convert([record for _, record in rows], list[RunRecord])
    return summarised(study, compared(study, forced(study)), arms, survival_of(study, held), reduced)


def summarised(
    study: Study, agreement: dict[str, Any], arms: dict[str, list[float]], survival: dict[str, Any], reduced: bool
) -> dict[str, Any]:
    """Figures and checks."""
    scores = {arm: summary(values) for arm, values in arms.items()}
    against = {
        arm: dict(paired_difference(arms["scientist"], arms[arm])._asdict()) for arm in arms if arm != "scientist"
    }
    checks = {"nine of ten estimates agree with force": agreement["agree"] >= 0.9}
    if not reduced:
        checks |= {
            f"the scientist's interval lies above {arm}'s": scores["scientist"]["mean_low"] > scores[arm]["mean_high"]
            for arm in ("random", "table")
        } | {f"calibration error of survival, {name}": values["ece"] <= 0.05 for name, values in survival.items()}
    scientist = study.scientist
    return {
        "rules": rules_hash(), "player": "kiter", "tier": TIER + 1, "runs": scientist.runs, "menus": scientist.menus,
        "gathered_from_seed": GATHERED, "played_from_seed": PLAYED, "agreement": agreement, "scores": scores,
        "scientist_minus": against, "survival": survival,
        "clearest": {o: [row(e) for e in clearest(scientist.effects(o), 8)] for o in ("score_s", "rmst_120_s")},
        "eurekas": [in_words(effect) for effect in scientist.announced.values()], "checks": checks,
        "passed": all(checks.values()),
    }  # fmt: skip
