"""Active inference's cards in the arena: on against off, and against the information gain exchanged between options.

The shipped pilot plays, and the shipped model of outcomes (`train outcomes`, other seeds) judges its cards.
30 runs are played by the same motor in each arm: off (the motor's cards), on (least G), without the gain, and as the
control with the gains of the options exchanged at random. Preferences, weights, window and edges are those of
`core.choices`, fixed before the seeds were played. The reduced case plays on alone, 64 runs.

At the choices of the on runs, at least one in ten must not be the motor's; the paired 95 % interval of the score's
difference must not lie below 0. The effect of the gain is the information that a choice is expected to give above that
of the choice without the gain, in nats a choice; with exchanged gains it must vanish: less than a quarter of it, its
interval below the effect's. (Not nothing: the choices without the gain tell less than the mean card, so that any noise
moves them upwards a little.)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import torch

from agent.control.cards.chooser import CardChooser, Memory
from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED as PILOT
from agent.core.choices import EDGES, WANTED, WINDOW
from agent.core.statistics import bootstrap, paired_difference, summary
from agent.games.arena.rules_hash import rules_hash
from agent.learner.outcomes import SHIPPED
from agent.models.sealed import load_sealed
from agent.training.arena.choices import PilotRuns, Scored, Situation, score

DEFAULT_SEEDS: Final = 30
PLAYED, PLAYED_REDUCED = 81_000_000, 80_000_000
REDUCED_RUNS: Final = 64
ARMS: Final = ("off", "on", "no gain", "shuffled")


def choosers(tensors: dict[str, Any], seed: int) -> dict[str, CardChooser]:
    """One for each arm; off watches with the same preferences as on."""
    bare = msgspec.structs.replace(WANTED, gain_weight=0.0)
    made = {
        "off": CardChooser(WANTED), "on": CardChooser(WANTED), "no gain": CardChooser(bare),
        "shuffled": CardChooser(WANTED, shuffle=np.random.default_rng(seed)),
    }  # fmt: skip
    for chooser in made.values():
        chooser.load(chooser.prepare(tensors, "bench"), 1, "")
    return made


class Compared(msgspec.Struct, frozen=True):
    """One choice of an on run under every chooser: cards, and the gain that the least-G chooser expects of each."""

    motor: int
    on: int
    bare: int
    shuffled: int
    gains: tuple[float, float, float]


def compare(by: dict[str, CardChooser]) -> Any:
    """What every chooser would take in a situation of the on runs."""

    def note(s: Situation, memory: Memory) -> Compared:
        plans = {arm: by[arm].weigh(memory, s.options, s.allowed, s.context) for arm in ("on", "no gain", "shuffled")}
        cards = [int(plan.energy.argmin()) for plan in plans.values() if plan is not None]
        seen = plans["on"]
        assert seen is not None
        first, second, third = (float(g) for g in seen.gain)
        return Compared(s.motor, *cards, (first, second, third))

    return note


def interval(rows: list[list[float]], seed: int = 0) -> dict[str, float]:
    """Mean over all values of all runs, with a 95 % bootstrap interval over the runs."""
    parts = [(sum(row), len(row)) for row in rows]
    found = bootstrap(parts, lambda drawn: drawn[:, :, 0].sum(1) / np.maximum(drawn[:, :, 1].sum(1), 1.0), seed=seed)
    return {"mean": found.value, "low": found.low, "high": found.high}


def shares(notes: list[list[Compared]]) -> dict[str, Any]:
    """How the choosers differ at the choices of the on runs, each with its interval over runs."""

    def over(value: Any) -> dict[str, float]:
        return interval([[float(value(n)) for n in run] for run in notes])

    return {
        "choices": sum(len(run) for run in notes),
        "differs_from_motor": over(lambda n: n.on != n.motor),
        "changed_by_gain": over(lambda n: n.on != n.bare),
        "changed_by_shuffled_gain": over(lambda n: n.shuffled != n.bare),
        "shuffled_agrees_where_gain_changes": interval(
            [[float(n.shuffled == n.on) for n in run if n.on != n.bare] for run in notes]
        ),
        "effect_nats": over(lambda n: n.gains[n.on] - n.gains[n.bare]),
        "effect_shuffled_nats": over(lambda n: n.gains[n.shuffled] - n.gains[n.bare]),
        "gain_nats": over(lambda n: n.gains[n.on]),
    }


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """Play every arm, compare."""
    torch.manual_seed(0)
    manifest, tensors = load_sealed(SHIPPED)
    by = choosers(tensors, 1)
    count = REDUCED_RUNS if reduced else len(seeds)
    played: dict[str, Scored] = {}
    for arm in ("on",) if reduced else ARMS:
        runs = PilotRuns(count, (PLAYED_REDUCED if reduced else PLAYED) + seeds[0], pilot_tensors(PILOT))
        note = compare(by) if arm == "on" else _nothing
        played[arm] = score(runs, by[arm], on=arm != "off", note=note)
        print(f"{arm}: {[round(e.score_s) for e in played[arm].ended]}", flush=True)
    return summarised(played, manifest.notes, reduced)


def _nothing(situation: Situation, memory: Memory) -> None:
    return None


def summarised(played: dict[str, Scored], notes: dict[str, Any], reduced: bool) -> dict[str, Any]:
    """Shares, scores and checks."""
    seen = shares(played["on"].notes)
    effect, control = seen["effect_nats"], seen["effect_shuffled_nats"]
    checks = {
        "the model foretells held-out outcomes better than their frequencies": notes["efe_held_loss"]
        < notes["efe_held_frequencies"],
        "at least a tenth of the choices differ from the motor's": seen["differs_from_motor"]["mean"] >= 0.10,
        "the gain changes choices towards information": effect["low"] > 0.0,
        "control, exchanged gains: less than a quarter of the effect": control["mean"] < 0.25 * effect["mean"],
    }
    scores, against = {}, {}
    if not reduced:
        values = {arm: [e.score_s for e in p.ended] for arm, p in played.items()}
        for arm, p in played.items():
            scores[arm] = {
                "score_s": summary(values[arm]), "wins": sum(e.won for e in p.ended),
                "kills": summary([float(e.kills) for e in p.ended]), "scores_s": np.round(values[arm], 1).tolist(),
            }  # fmt: skip
        for other in ("off", "no gain", "shuffled"):
            difference = paired_difference(values["on"], values[other])
            against[other] = {"mean": difference.value, "low": difference.low, "high": difference.high}
        checks["control: the intervals of the two are apart"] = control["high"] < effect["low"]
        checks["the score is not worse"] = against["off"]["high"] >= 0.0
    return {
        "rules": rules_hash(), "window": WINDOW, "edges": EDGES, "preferences": msgspec.to_builtins(WANTED),
        "played_from_seed": PLAYED_REDUCED if reduced else PLAYED, "model": notes, "on_runs": seen, "scores": scores,
        "on_minus": against, "checks": checks, "passed": all(checks.values()),
    }  # fmt: skip
