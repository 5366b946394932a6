"""A better challenger in whole runs: `weights challenge` gives the shipped pilot against that of version 0.1.0.

Eight arenas of tier 3 in lock-step, the pilot of 0.1.0 as the champion, nothing learned, challengers of a learner off
as by default. Once it plays, the command itself is run: `python -m agent weights challenge pilot.safetensors`. Play
takes the file up, and goes on until it is promoted or discarded. The store, the contest and the command are those of
play; only the sockets are left out. Passes where the shipped pilot is promoted, and its weights are the store's next
version. The control is the other way round: the pilot of 0.1.0 challenges the shipped one, and must not be promoted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED
from agent.games.arena.rules_hash import rules_hash
from agent.models.sealed import content_sha256, load_sealed
from agent.store.store import WeightsStore
from tools.bench._result_file import ROOT
from tools.bench.learning.served._lockstep import LockstepContest, Play

DEFAULT_SEEDS: Final = 3
EARLIER: Final = SHIPPED.with_name("pilot-0.1.0.safetensors")
TIER: Final = 3
BETTER: Final = "better challenger"
WORSE: Final = "worse challenger, the control"
ARMS: Final = (BETTER, WORSE)
REDUCED_ARMS: Final = (BETTER,)
MAX_RUNS, REDUCED_RUNS = 600, 9
DECIDED: Final = ("challenger_promoted", "challenger_discarded")


async def challenge(folder: Path, challenger: Path) -> None:
    """Run the command; raises RuntimeError with what it says where it fails."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("METABONK_")}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent", "weights", "challenge", str(challenger), cwd=ROOT,
        env=environ | {"METABONK_WEIGHTS_DIR": str(folder)}, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(said.decode())
    print(said.decode().strip(), flush=True)


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One play until the challenger is decided."""
    champion, challenger = (EARLIER, SHIPPED) if arm == BETTER else (SHIPPED, EARLIER)
    start_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="given-") as name:
        folder = Path(name)
        session = LockstepContest(pilot_tensors(champion), Play(folder=folder, share=0.0, tier=TIER, seed=seed))
        session.play(REDUCED_RUNS if reduced else MAX_RUNS, DECIDED, lambda: challenge(folder, challenger))
        store = WeightsStore(folder)
        current = store.current("pilot")
        assert current is not None
        acts = content_sha256(store.load("pilot", current.version)[1])
    status = session.status()
    return {
        "tier": TIER, "runs": len(session.runs), "challenge": status["challenge"], "supervisor": status["supervisor"],
        "challenger_acts": acts == content_sha256(load_sealed(challenger)[1]), "version": current.version,
        "said": [said for said in session.said if said["kind"].startswith("challenger")],
        "runs_by": [msgspec.to_builtins(run) for run in session.runs],
        "minutes": round((time.perf_counter() - start_s) / 60.0, 1),
    }  # fmt: skip


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every arm of every seed, and the checks."""
    checks: dict[str, bool] = {}
    for row in rows:
        better = row[BETTER]["challenge"]
        if reduced:
            checks[f"seed {row['seed']}: the file is taken up"] = bool(better["challenger"] or better["promoted"])
            continue
        checks[f"seed {row['seed']}: the better one is promoted, and acts"] = (
            better["promoted"] == 1 and row[BETTER]["challenger_acts"]
        )
        checks[f"seed {row['seed']}: control, the worse one is discarded"] = (
            row[WORSE]["challenge"]["discarded"] == 1 and not row[WORSE]["challenger_acts"]
        )
    return {"rules": rules_hash(), "tier": TIER, "rows": rows, "checks": checks, "passed": all(checks.values())}
