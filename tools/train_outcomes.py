"""Train the model of outcomes that chooses cards in the arena, and seal it.

    python tools/train_outcomes.py [--runs 256] [--decisions 20000] [--seed 40000000] [--epsilon 0.5]
        [--out agent/shipped/outcomes.safetensors]

The shipped pilot plays, with its cards replaced by any on offer with chance EPSILON. Runs have seeds from --seed on,
far from those of evaluations and of the pilot's own training. The manifest says how well held-out outcomes are
foretold; `/status` and play read it from there.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED as PILOT
from agent.core.choices import EDGES
from agent.learner.outcomes import SHIPPED, reason_not_to_choose
from agent.models.sealed import save_sealed
from agent.training.arena.choices import PilotRuns, exploring, gather
from agent.training.arena.outcomes import OutcomeTraining


def main() -> None:
    """Gather, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=256)
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=40_000_000)
    parser.add_argument("--epsilon", type=float, default=0.5)
    parser.add_argument("--max-steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    torch.set_num_threads(1)
    start = time.perf_counter()

    def say(step: int, episodes: int) -> None:
        print(f"decision {step}: {episodes} episodes, {time.perf_counter() - start:.0f} s", flush=True)

    pick = exploring(np.random.default_rng(args.seed), args.epsilon)
    episodes = gather(PilotRuns(args.runs, args.seed, pilot_tensors(PILOT)), args.decisions, pick, say=say)
    outcomes = np.bincount(np.concatenate([e.outcomes for e in episodes]), minlength=len(EDGES) + 1)
    training = OutcomeTraining(seed=0)
    tried = training.fit(
        episodes, max_steps=args.max_steps,
        say=lambda steps, now: print(f"{steps} steps: {now.loss:.4f} nats, {now.any_option:.4f} cardless", flush=True),
    )  # fmt: skip
    notes = {
        "trained_by": "tools/train_outcomes.py", "seed": args.seed, "runs": args.runs, "decisions": args.decisions,
        "epsilon": args.epsilon, "episodes": len(episodes), "choices": int(outcomes.sum()),
        "outcome_shares": (outcomes / outcomes.sum()).round(4).tolist(),
        "wall_s": round(time.perf_counter() - start, 1),
    }  # fmt: skip
    sealed = training.sealed(tried, notes)
    save_sealed(args.out, created_by="tools/train_outcomes.py", **sealed)
    print(f"{args.out}: {tried}; {reason_not_to_choose(sealed['notes']) or 'it may choose'}")


if __name__ == "__main__":
    main()
