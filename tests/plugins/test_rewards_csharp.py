"""ResearchPlugin pays what the agent's tables of the same names pay."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from agent.core.rewards.tables import CAP_S, TABLES, Weights
from tools.scripts.csharp import Toolchain


@pytest.mark.parametrize("weights", TABLES.values(), ids=TABLES)
def test_each_table_of_the_agent_pays_the_same_in_the_plugin(
    toolchain: Toolchain, built: Path, weights: Weights
) -> None:
    rng, now = random.Random(5), {"kills": 0, "time_ms": 0, "levels": 0.0, "damage": 0.0}
    lines, wanted = [], []
    for number in range(400):
        after = {
            "kills": now["kills"] + rng.randrange(4), "time_ms": now["time_ms"] + rng.randrange(9000),
            "levels": now["levels"] + rng.random(), "damage": now["damage"] + rng.choice((0.0, 3.5)),
        }  # fmt: skip
        if number % 100 == 50:  # the counters of a new run
            after = {"kills": 0, "time_ms": 0, "levels": 0.0, "damage": 0.0}
        ended, won = number % 100 == 49, number > 200
        passed_s = min(after["time_ms"] / 1000, CAP_S) - min(now["time_ms"] / 1000, CAP_S)
        paid = weights.change(
            after["kills"] - now["kills"], after["levels"] - now["levels"], after["damage"] - now["damage"], 120.0,
            passed_s,
        )  # fmt: skip
        wanted.append(paid + (weights.end(won, after["time_ms"] / 1000) if ended else 0.0))
        lines.append(json.dumps({**after, "max_health": 120.0, "ended": ended, "won": won}))
        now = after
    command = [str(toolchain.dotnet), "exec", str(built / "host.dll"), "rewards", weights.name]
    done = subprocess.run(
        command, env=toolchain.environment(), input="\n".join(lines), capture_output=True, text=True, check=True
    )
    assert [float(line) for line in done.stdout.splitlines()] == pytest.approx(wanted, abs=2e-4)
    assert sum(wanted) > 0
