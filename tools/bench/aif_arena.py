"""Active inference's cards in the arena: on against off, and against the information gain exchanged between options.

The shipped pilot plays; its cards are chosen at random with chance EPSILON while a model of outcomes learns from them
(seeds from TRAIN on). Then 30 runs of other seeds are played by the same motor: off (the motor's cards), on (least G),
without the gain, and as the control with the gains of the options exchanged at random. Preferences, weights, window
and edges are those of `core.choices`, fixed before the seeds were played; the model is the one that does best on
training episodes that were held back.

At the choices of the on runs, at least one in ten must not be the motor's; the paired 95 % interval of the score's
difference must not lie below 0. The effect of the gain is the information that a choice is expected to
give above that of the choice without the gain, in nats a choice; with exchanged gains it must vanish: its interval
must lie below a quarter of the effect's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch

from agent.control.cards import CardChooser, Memory
from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.score import statistics
from agent.core.choices import EDGES, LIKING, WANTED, WINDOW
from agent.games.arena.rules_hash import rules_hash
from agent.runtime.arena_choices import PilotRuns, Scored, Situation, exploring, gather, score
from agent.runtime.outcome_training import OutcomeTraining

DEFAULT_SEEDS: Final = 30
TRAIN, PLAYED, EPSILON = 70_000_000, 80_000_000, 0.5
RUNS, DECISIONS = 256, 12_000
REDUCED: Final = (48, 2_500)
ARMS: Final = ("off", "on", "no gain", "shuffled")


def trained(reduced: bool) -> tuple[OutcomeTraining, dict[str, Any]]:
    """The model, and what it learned from."""
    runs, decisions = REDUCED if reduced else (RUNS, DECISIONS)
    episodes = gather(
        PilotRuns(runs, TRAIN, pilot_tensors(SHIPPED)), decisions, exploring(np.random.default_rng(TRAIN), EPSILON),
        say=lambda step, ended: print(f"decision {step}: {ended} episodes", flush=True),
    )  # fmt: skip
    training = OutcomeTraining(seed=0)
    tried = training.fit(episodes, most_steps=200 if reduced else 2000)
    outcomes = np.bincount(np.concatenate([e.outcomes for e in episodes]), minlength=len(EDGES) + 1)
    told = {
        "episodes": len(episodes), "choices": int(outcomes.sum()), "epsilon": EPSILON, "seed": TRAIN,
        "outcomes": (outcomes / outcomes.sum()).round(4).tolist(), "held_out": msgspec.to_builtins(tried),
    }  # fmt: skip
    return training, told


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
    sums, counts = np.array([sum(r) for r in rows]), np.array([len(r) for r in rows])
    picks = np.random.default_rng(seed).integers(0, len(rows), (4000, len(rows)))
    means = sums[picks].sum(1) / np.maximum(counts[picks].sum(1), 1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {"mean": float(sums.sum() / max(1, counts.sum())), "low": float(low), "high": float(high)}


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
    """Train, play every arm, compare."""
    torch.manual_seed(0)
    training, told = trained(reduced)
    by = choosers(training.tensors(), 1)
    arms = ("on",) if reduced else ARMS
    count = 6 if reduced else len(seeds)
    played: dict[str, Scored] = {}
    for arm in arms:
        runs = PilotRuns(count, PLAYED + seeds[0], pilot_tensors(SHIPPED))
        most = 2000 if reduced else None
        played[arm] = score(runs, by[arm], on=arm != "off", most=most, note=compare(by) if arm == "on" else _nothing)
        print(f"{arm}: {np.mean([e.score_s for e in played[arm].ended] or [0.0]):.0f} s", flush=True)
    return summarised(played, told, reduced)


def _nothing(situation: Situation, memory: Memory) -> None:
    return None


def summarised(played: dict[str, Scored], told: dict[str, Any], reduced: bool) -> dict[str, Any]:
    """Shares, scores and checks."""
    seen = shares(played["on"].notes)
    held = told["held_out"]
    effect, control = seen["effect_nats"], seen["effect_shuffled_nats"]
    checks = {
        "the model foretells held-out outcomes better than their frequencies": held["loss"] < held["frequencies"],
        "at least a tenth of the choices differ from the motor's": seen["differs_from_motor"]["mean"] >= 0.10,
        "the gain changes choices towards information": effect["low"] > 0.0,
        "control, exchanged gains: the effect vanishes": control["high"] < 0.25 * effect["low"],
    }
    scores, against = {}, {}
    if not reduced:
        values = {arm: [e.score_s for e in p.ended] for arm, p in played.items()}
        for arm, p in played.items():
            scores[arm] = {
                "score_s": statistics(values[arm]), "wins": sum(e.won for e in p.ended),
                "kills": statistics([float(e.kills) for e in p.ended]), "scores_s": np.round(values[arm], 1).tolist(),
            }  # fmt: skip
        for other in ("off", "no gain", "shuffled"):
            against[other] = interval([[a - b] for a, b in zip(values["on"], values[other], strict=True)])
        checks["the score is not worse"] = against["off"]["high"] >= 0.0
    return {
        "rules": rules_hash(), "pilot": Path(SHIPPED).name, "window": WINDOW, "edges": EDGES, "liking": LIKING,
        "preferences": msgspec.to_builtins(WANTED), "played_from_seed": PLAYED, "trained_on": told, "on_runs": seen,
        "scores": scores, "on_minus": against, "checks": checks, "passed": all(checks.values()),
    }  # fmt: skip
