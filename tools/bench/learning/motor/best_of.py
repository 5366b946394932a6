"""E2: eight candidates, some better: the critics' lower bound must find those, and must know what it knows.

Situations and players are those of E1. A chunk on the plus side pays 1, one on the minus side .5, with some noise.
Critics learn from what was played alone. Candidates are four chunks of players and four drawn evenly from the whole
range, which nobody played and which pay nothing. Choosing by the mean alone (beta 0) is the control.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import torch
from torch import Tensor

from agent.learning.configs import CpqeConfig
from agent.learning.cpqe.learner import CpqeLearner
from agent.learning.cpqe.losses import best_of
from agent.learning.cpqe.windows import Chunks
from agent.models.sizes import CpqeSizes
from tools.bench.learning.motor.bimodal import HELD_OUT, NEAR, situations

DEFAULT_SEEDS: Final = 3
SIZES: Final = CpqeSizes(features=4, action=1, low=-0.5, high=1.5)
STEPS: Final = 3000
PAID: Final = (1.0, 0.5)


def batch(count: int, random: torch.Generator) -> Chunks:
    """What was played, with what it paid; the episode ends with the chunk."""
    condition, curve, chunk = situations(count, random)
    side = ((chunk * curve).sum(1) > 0).float()
    paid = PAID[1] + (PAID[0] - PAID[1]) * side + 0.1 * torch.randn(count, generator=random)
    return Chunks(condition, chunk, paid, condition, torch.zeros(count))


def trained(seed: int, steps: int) -> CpqeLearner:
    """Critics after so many steps."""
    torch.manual_seed(seed)
    learner = CpqeLearner(SIZES, msgspec.structs.replace(CpqeConfig(), lr=1e-3, warm_up=100, seed=seed))
    for _ in range(steps):
        learner.judge(batch(128, learner.random))
    return learner


@torch.no_grad()
def spreads(learner: CpqeLearner, condition: Tensor, chunks: Tensor) -> float:
    """Mean over situations of the members' standard deviation."""
    begun = chunks[:, : learner.critics.width]
    return float(learner.critics(condition, begun).std(0).mean())


@torch.no_grad()
def share_of_better(learner: CpqeLearner, beta: float, random: torch.Generator) -> float:
    """How often the chosen candidate is a chunk of the better side."""
    condition, curve, _ = situations(HELD_OUT, random)
    side = torch.tensor([1.0, -1.0, 1.0, -1.0])[None, :, None]
    played = side * curve[:, None] + 0.05 * torch.randn(HELD_OUT, 4, SIZES.chunk, generator=random)
    never = 2.0 * torch.rand(played.shape, generator=random) - 1.0
    chunks = torch.cat([played, never], 1)
    taken, _ = best_of(learner.critics, condition, chunks, beta)
    chosen = chunks[torch.arange(HELD_OUT), taken]
    return float(((chosen - curve).square().mean(1).sqrt() < NEAR).float().mean())


def one_seed(seed: int, reduced: bool) -> dict[str, Any]:
    """Critics of one seed."""
    learner = trained(seed, 500 if reduced else STEPS)
    random = torch.Generator().manual_seed(1000 + seed)
    condition, _, played = situations(HELD_OUT, random)
    never = 2.0 * torch.rand(played.shape, generator=random) - 1.0
    row = {
        "seed": seed, "better_by_bound": share_of_better(learner, 1.0, torch.Generator().manual_seed(seed)),
        "better_by_mean": share_of_better(learner, 0.0, torch.Generator().manual_seed(seed)),
        "spread_played": spreads(learner, condition, played), "spread_never": spreads(learner, condition, never),
    }  # fmt: skip
    print(row, flush=True)
    return row


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every seed must pass."""
    checks = {
        "best of eight by the lower bound is of the better kind in at least .9": all(
            row["better_by_bound"] >= 0.9 for row in rows
        ),
        "members differ 3 times as much on what nobody played": all(
            row["spread_never"] >= 3.0 * row["spread_played"] for row in rows
        ),
        "control: choosing by the mean is worse": all(row["better_by_mean"] < row["better_by_bound"] for row in rows),
    }
    return {"rows": rows, "checks": checks, "passed": all(checks.values())}
