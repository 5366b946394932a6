"""D1: a signal sampled at irregular times; what is told how much time passes foresees it, what is not cannot.

A sinusoid of unknown phase is seen at gaps drawn from 0.1 to 1.5 s, and its value at the next time, a known gap away,
is foretold. Trained alike: a GRU that sees values alone, a GRU with the gap as an input, our CfC with the gap held at
one, and our CfC with the true gap. The shifted test draws gaps from 1.0 to 2.5 s, which training never showed.
Controls that must fail: the two that are not told the gap.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent.models.liquid import CfCCell

DEFAULT_SEEDS: Final = 5
UNITS, LENGTH, BATCH, STEPS, WARM, LR = 64, 32, 64, 700, 8, 5e-3
RATE = 2.0
SAME, SHIFTED = (0.1, 1.5), (1.0, 2.5)
NAMES: Final = ("gru", "gru_dt", "cfc_dt_fixed", "cfc")


class Net(nn.Module):
    """One of the four, with a linear read-out."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.cell: nn.Module = (
            CfCCell(1, UNITS) if name.startswith("cfc") else nn.GRUCell(1 + (name == "gru_dt"), UNITS)
        )
        self.out = nn.Linear(UNITS, 1)

    def forward(self, values: Tensor, gaps: Tensor) -> Tensor:
        """values, gaps [B, T]: the value at each time and the gap to the next; gives what is foretold [B, T]."""
        h = values.new_zeros(len(values), UNITS)
        told = []
        for t in range(values.shape[1]):
            x, gap = values[:, t : t + 1], gaps[:, t : t + 1]
            if self.name.startswith("cfc"):
                h = self.cell(x, h, torch.ones_like(gap) if self.name == "cfc_dt_fixed" else gap)
            else:
                h = self.cell(torch.cat([x, gap], 1) if self.name == "gru_dt" else x, h)
            told.append(self.out(h))
        return torch.cat(told, 1)


def sample(g: torch.Generator, size: int, gaps: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    """Values, gaps and next values, each [size, LENGTH]."""
    gap = gaps[0] + (gaps[1] - gaps[0]) * torch.rand(size, LENGTH, generator=g)
    phase = torch.rand(size, 1, generator=g) * 2 * math.pi
    times = torch.cat([torch.zeros(size, 1), gap.cumsum(1)], 1)
    signal = torch.sin(RATE * times + phase)
    return signal[:, :-1], gap, signal[:, 1:]


def train(name: str, seed: int, steps: int) -> dict[str, float]:
    """Errors of one network after `steps` of training; the first WARM foretellings of a sequence do not count."""
    torch.manual_seed(seed)
    net, g = Net(name), torch.Generator().manual_seed(1000 + seed)
    optimiser = torch.optim.Adam(net.parameters(), LR)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        values, gaps, after = sample(g, BATCH, SAME)
        loss = F.mse_loss(net(values, gaps)[:, WARM:], after[:, WARM:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
    test = torch.Generator().manual_seed(99)
    with torch.no_grad():
        errors = {}
        for label, drawn in (("same", SAME), ("shifted", SHIFTED)):
            values, gaps, after = sample(test, 512, drawn)
            errors[label] = float(F.mse_loss(net(values, gaps)[:, WARM:], after[:, WARM:]))
        values, gaps, _ = sample(test, 64, SAME)
        errors["change_by_dt"] = float((net(values, gaps) - net(values, gaps * 1.5)).abs().mean())
    return errors


def run(seeds: list[int], reduced: bool) -> dict[str, Any]:
    """All four networks on every seed."""
    steps = 250 if reduced else STEPS
    rows = {name: [train(name, seed, steps) for seed in seeds] for name in NAMES}
    table = {
        name: {key: {"mean": float(np.mean([r[key] for r in row])), "each": [r[key] for r in row]} for key in row[0]}
        for name, row in rows.items()
    }
    error = {name: table[name]["same"]["mean"] for name in NAMES}
    worst, limit = max(table["cfc"]["same"]["each"]), 0.02 if reduced else 0.002
    checks = {
        f"CfC: MSE at most {limit} on every seed": worst <= limit,
        "GRU with dt at least 5 times worse": error["gru_dt"] >= 5 * error["cfc"],
        "controls without dt at least 10 times worse": min(error["gru"], error["cfc_dt_fixed"]) >= 10 * error["cfc"],
        "changing dt alone changes the output": table["cfc"]["change_by_dt"]["mean"] > 0.05,
        "the controls do not notice dt": table["cfc_dt_fixed"]["change_by_dt"]["mean"] == 0.0,
    }
    return {"steps": steps, "mse": table, "checks": checks, "passed": all(checks.values())}
