"""The command `train outcomes`: the model of outcomes that chooses cards in the arena, learned and sealed.

The shipped pilot plays in every tier with every character, with its cards replaced by any on offer with a chance. The
manifest says how well held-out outcomes are foretold; `/status` and play read it from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED as PILOT
from agent.core.choices import EDGES
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.files import check_output
from agent.learner.outcomes import SHIPPED, reason_not_to_choose
from agent.models.sealed import save_sealed
from agent.training.arena.choices import PilotRuns, exploring, gather
from agent.training.arena.outcomes import OutcomeTraining
from agent.training.arena.train import all_casts
from agent.training.options import OutcomesOptions

CREATED_BY: Final = "python -m agent train outcomes"
MIN_EPISODES: Final = 10


def _check(options: OutcomesOptions) -> None:
    for name in ("runs", "decisions", "max_steps"):
        if getattr(options, name) < 1:
            raise SettingsError(f"--{name.replace('_', '-')} {getattr(options, name)}: at least 1")
    if not 0.0 <= options.epsilon <= 1.0:
        raise SettingsError(f"--epsilon {options.epsilon}: between 0 and 1")
    if options.out is not None:
        check_output("--out", options.out)


def train_outcomes(options: OutcomesOptions, clock: Clock, say: Callable[[str], None]) -> int:
    """Gather choices, learn from them, write the model; returns the exit code."""
    _check(options)
    torch.set_num_threads(1)
    start_s = clock.now_s()
    out = SHIPPED if options.out is None else options.out
    pick = exploring(np.random.default_rng(options.seed), options.epsilon)
    episodes = gather(
        PilotRuns(options.runs, options.seed, pilot_tensors(PILOT), casts=all_casts()), options.decisions, pick,
        say=lambda step, count: say(f"decision {step}: {count} episodes, {clock.now_s() - start_s:.0f} s"),
    )  # fmt: skip
    if len(episodes) < MIN_EPISODES:
        raise SettingsError(
            f"--decisions {options.decisions}: {len(episodes)} runs came to their end, {MIN_EPISODES} are needed; "
            "play more decisions, or more --runs"
        )
    outcomes = np.bincount(np.concatenate([e.outcomes for e in episodes]), minlength=len(EDGES) + 1)
    training = OutcomeTraining(seed=0)
    tried = training.fit(
        episodes, max_steps=options.max_steps,
        say=lambda steps, now: say(f"{steps} steps: {now.loss:.4f} nats, {now.any_option:.4f} cardless"),
    )  # fmt: skip
    notes = {
        "trained_by": CREATED_BY, "seed": options.seed, "runs": options.runs, "decisions": options.decisions,
        "epsilon": options.epsilon, "episodes": len(episodes), "choices": int(outcomes.sum()),
        "outcome_shares": (outcomes / outcomes.sum()).round(4).tolist(), "wall_s": round(clock.now_s() - start_s, 1),
    }  # fmt: skip
    sealed = training.sealed(tried, notes)
    save_sealed(out, created_by=CREATED_BY, **sealed)
    say(f"{out}: {tried}; {reason_not_to_choose(sealed['notes']) or 'it may choose'}")
    return 0
