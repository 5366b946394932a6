"""A better challenger in whole play: `weights challenge` gives the shipped pilot against that of version 0.1.0.

The commands themselves: `play --lock-step` with eight arenas of tier 3 and the pilot of 0.1.0, and, once it plays,
`weights challenge agent/shipped/pilot.safetensors`. What `/status` says is looked at until the challenger is promoted
or discarded. Passes where it is promoted, acts as the next version, and has the shipped pilot's weights. The control
is the other way round: the pilot of 0.1.0 challenges the shipped one, and must not be promoted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from agent.control.policies import SHIPPED
from agent.games.arena.rules_hash import rules_hash
from agent.models.sealed import content_sha256, load_sealed
from agent.store.store import WeightsStore
from tools.bench._result_file import ROOT

DEFAULT_SEEDS: Final = 3
EARLIER: Final = SHIPPED.with_name("pilot-0.1.0.safetensors")
TIER, GAMES = 3, 8
BETTER: Final = "better challenger"
WORSE: Final = "worse challenger, the control"
ARMS: Final = (BETTER, WORSE)
REDUCED_ARMS: Final = (BETTER,)
LONGEST_S, REDUCED_S, LOOK_S = 3000.0, 60.0, 2.0
"""A play that has decided nothing is ended after so long; the reduced one only shows that the file is taken up."""


def environ_of(folder: Path) -> dict[str, str]:
    """What both commands are told: a folder of weights of their own, and nothing beside play."""
    own = {"METABONK_WEIGHTS_DIR": str(folder), "METABONK_USE_SIMA2": "0", "METABONK_USE_ACTIVE_INFERENCE": "0"}
    return {name: value for name, value in os.environ.items() if not name.startswith("METABONK_")} | own


def status_of(port: int) -> dict[str, Any]:
    """What `/status` says now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=60) as answer:
        return dict(json.load(answer))


def _port(child: subprocess.Popen[bytes], said: Path) -> int:
    """The page's port, as the command says it; raises RuntimeError with what it says instead."""
    while True:
        ended, text = child.poll() is not None, said.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", text):
            return int(found[1])
        if ended:
            raise RuntimeError(text)
        time.sleep(0.1)


def watched(port: int, folder: Path, challenger: Path, longest_s: float) -> dict[str, Any]:
    """Give the challenger once something is played, and look until it is decided; the last status."""
    begun_s, is_given = time.monotonic(), False
    while True:
        status = status_of(port)
        challenge = status["challenge"]
        if not is_given and status["policy_version"] > 0:
            command = [sys.executable, "-m", "agent", "weights", "challenge", str(challenger)]
            subprocess.run(command, cwd=ROOT, env=environ_of(folder), check=True)
            is_given, begun_s = True, time.monotonic()
        if challenge["promoted"] or challenge["discarded"] or time.monotonic() - begun_s > longest_s:
            return status
        time.sleep(LOOK_S)


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """One play until the challenger is decided."""
    champion, challenger = (EARLIER, SHIPPED) if arm == BETTER else (SHIPPED, EARLIER)
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="given-") as name:
        folder = Path(name)
        command = [
            sys.executable, "-m", "agent", "play", "--game", "arena", "--tier", str(TIER), "--games", str(GAMES),
            "--lock-step", "--weights", str(champion), "--seed", str(1000 * seed), "--no-learn", "--no-record",
            "--no-open-page", "--http-port", "0",
        ]  # fmt: skip
        said = folder / "said.txt"
        with (
            said.open("wb") as log,
            subprocess.Popen(command, cwd=ROOT, env=environ_of(folder), stdout=log, stderr=log) as child,
        ):
            try:
                status = watched(_port(child, said), folder, challenger, REDUCED_S if reduced else LONGEST_S)
            finally:
                child.terminate()
                child.wait(timeout=60)
        store = WeightsStore(folder)
        current = store.current("pilot")
        acts = "" if current is None else content_sha256(store.load("pilot", current.version)[1])
    return {
        "challenge": status["challenge"], "version": status["policy_version"], "on_trial": status["weights"],
        "challenger_acts": acts == content_sha256(load_sealed(challenger)[1]), "code": child.returncode,
        "minutes": round((time.monotonic() - start_s) / 60.0, 1), "tier": TIER,
    }  # fmt: skip


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """Every arm of every seed, and the checks."""
    checks: dict[str, bool] = {}
    for row in rows:
        better = row[BETTER]
        if reduced:
            shown = better["challenge"]["challenger"] or better["challenge"]["promoted"]
            checks[f"seed {row['seed']}: the file is taken up"] = bool(shown)
            continue
        checks[f"seed {row['seed']}: the better one is promoted, and acts"] = (
            better["challenge"]["promoted"] == 1 and better["challenger_acts"]
        )
        worse = row[WORSE]
        checks[f"seed {row['seed']}: control, the worse one is not"] = (
            worse["challenge"]["promoted"] == 0 and not worse["challenger_acts"]
        )
    return {"rules": rules_hash(), "rows": rows, "checks": checks, "passed": all(checks.values())}
