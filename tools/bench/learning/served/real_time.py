"""Learning in real time through the socket: what it costs play, and whether an update gains what it gains in lock-step.

One arena of tier 1 in a process of its own, 60 Hz in real time, played by `python -m agent play` from an untrained
pilot with the learner for play and 20,000 decisions of the kiter. Blocks with learning and the control, blocks with
`--no-learn` on the weights of then, take turns: the p99 from frame to action is compared block by block. Afterwards the
newest weights play 20 runs that nothing was learned from, as the untrained ones do, and so do weights that learned from
as many decisions of eight arenas in lock-step. The gain of 100 updates, each with its 95 % interval (bootstrap over
runs), must not lie below that of lock-step.

BENCH_STEPS sets the seconds of a block with learning; there are `BLOCKS`, and a quarter of the time is without.
DECISIONS sets those of lock-step: as many as real time had.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.control.untrained import untrained_tensors
from agent.core.statistics import paired_difference
from agent.games.arena.rules_hash import rules_hash
from agent.store.store import WeightsStore
from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT
from tools.bench.learning.in_play import greedy_scores, interval
from tools.bench.learning.served.learners import PilotArm

DEFAULT_SEEDS: Final = 3
REAL_TIME, LOCK_STEP = "real time", "lock-step"
ARMS: Final = (REAL_TIME, LOCK_STEP)
SECONDS, REDUCED_SECONDS, BLOCKS, REDUCED_BLOCKS = 400.0, 20.0, 4, 1
EPISODES, REDUCED_EPISODES, UNSEEN_SEED, FIRST_SEED = 20, 2, 500_000, 60_000_000
LESSONS, REDUCED_LESSONS = 20_000, 1_024
DECISIONS, REDUCED_DECISIONS = 24_000, 2_048
"""Of lock-step; those of four blocks of 400 s."""
POLICY: Final = "untrained-pilot"
"""As `--policy` takes it; its weights are kept under this name."""
TOKEN: Final = "served-real-time"
LOOK_S: Final = 2.0
UPDATES: Final = 100.0
"""A gain is that of so many updates."""
MAX_P99_MS: Final = 0.5
"""By which the p99 with learning may lie above that without."""
P99_CHECK: Final = f"p99 with learning is shown to be at most {MAX_P99_MS} ms above that without"


def _status(port: int) -> dict[str, Any] | None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/status", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            found: dict[str, Any] = json.loads(reply.read())
    except (urllib.error.URLError, OSError):
        return None
    return found


def block(folder: Path, seconds: float, seed: int, lessons: int, *, learns: bool) -> dict[str, Any]:
    """One play: its latencies, and what `/status` said last of the learner."""
    report = folder / "report.json"
    command = [
        sys.executable, "-m", "agent", "play", "--game", "arena", "--policy", POLICY, "--seconds",
        str(seconds), "--seed", str(seed), "--http-port", "0", "--no-open-page", "--no-record", "--report",
        str(report), *([] if learns else ["--no-learn"]),
    ]  # fmt: skip
    environ = with_own_folders(folder) | {
        "METABONK_HTTP_TOKEN": TOKEN, "METABONK_SERVED_POLICY": "off-policy", "METABONK_USE_ACTIVE_INFERENCE": "0",
        "METABONK_OFF_POLICY_LESSONS": str(lessons),
    }  # fmt: skip
    last: dict[str, Any] = {}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as play:
        assert play.stderr is not None
        port = next((int(m[1]) for line in play.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)/", line))), None)
        if port is None:
            raise RuntimeError(f"play ended with {play.wait()} before it served its page")
        threading.Thread(target=play.stderr.read, daemon=True).start()
        while play.poll() is None:
            last = _status(port) or last
            time.sleep(LOOK_S)
    if play.returncode:
        raise RuntimeError(f"play ended with {play.returncode}")
    found = json.loads(report.read_text(encoding="utf-8"))
    losses = last.get("learner", {}).get("losses", {}).get(POLICY, {})
    return {
        "learns": learns, "latency": found["latency"]["frame_to_action"], "runs": found["episodes"]["count"],
        "missed": sum(found["deadline_missed"].values()), "learning": last.get("learning", {}),
        "losses": {name: value for name, value in losses.items() if name.startswith("off_policy")},
        "version": found["version"],
    }  # fmt: skip


def play_blocks(folder: Path, count: int, seconds: float, lessons: int, seed: int) -> list[dict[str, Any]]:
    """With learning and without, in turns."""
    found = []
    for k in range(count):
        for learns, for_s in ((True, seconds), (False, seconds / 3.0)):
            # The first block's seed makes the untrained weights, those that lock-step and the score before begin with.
            first = seed if not found else FIRST_SEED + 1_000_000 * seed + 1000 * (2 * k + learns)
            found.append(block(folder, for_s, first, lessons, learns=learns))
            said = found[-1]
            print(f"block {k}, learning {learns}: p99 {said['latency']['p99_ms']} ms, {said['losses']}", flush=True)
    return found


def one_arm(seed: int, arm: str, reduced: bool) -> dict[str, Any]:
    """What one side learned, in how many updates; of real time the blocks too."""
    lessons = REDUCED_LESSONS if reduced else LESSONS
    unseen = range(UNSEEN_SEED, UNSEEN_SEED + (REDUCED_EPISODES if reduced else EPISODES))
    found = _in_real_time(seed, lessons, reduced) if arm == REAL_TIME else _in_lock_step(seed, lessons, reduced)
    tensors = found.pop("tensors")
    return {
        **found, "lessons": lessons, "before_s": greedy_scores(untrained_tensors(seed), unseen, 0),
        "after_s": greedy_scores(tensors, unseen, 0),
    }  # fmt: skip


def _in_real_time(seed: int, lessons: int, reduced: bool) -> dict[str, Any]:
    seconds = REDUCED_SECONDS if reduced else float(os.environ.get("BENCH_STEPS") or SECONDS)
    with tempfile.TemporaryDirectory(prefix="real-time-") as name:
        blocks = play_blocks(Path(name), REDUCED_BLOCKS if reduced else BLOCKS, seconds, lessons, seed)
        store = WeightsStore(Path(name) / "weights")
        current = store.current(POLICY)
        if current is None:
            raise RuntimeError("nothing was learned: the store has no version")
        tensors = store.load(POLICY, current.version)[1]
    beliefs = next(b["losses"] for b in reversed(blocks) if b["learns"])
    decisions = beliefs["off_policy_decisions"]
    updates = beliefs["off_policy_updates_per_decision"] * decisions
    return {"blocks": blocks, "decisions": int(decisions), "updates": round(updates), "tensors": tensors}


def _in_lock_step(seed: int, lessons: int, reduced: bool) -> dict[str, Any]:
    """The same learner and eight arenas in lock-step."""
    decisions = REDUCED_DECISIONS if reduced else int(os.environ.get("DECISIONS") or DECISIONS)
    play = PilotArm("off-policy", seed, lessons)
    while play.decisions < decisions:
        play.advance()
    assert play.learner.off_policy is not None
    return {"decisions": play.decisions, "updates": play.learner.off_policy.updates, "tensors": play.tensors}


def gain(after: Sequence[float], before: Sequence[float], updates: float) -> dict[str, float]:
    """Seconds that 100 updates gained, with the interval over runs."""
    difference = paired_difference(after, before)
    return {name: round(value * UPDATES / updates, 2) for name, value in difference._asdict().items()}


def summarise(rows: list[dict[str, Any]], reduced: bool) -> dict[str, Any]:
    """The costs and the gains, and what must hold of them."""
    arms = {arm: [row[arm] for row in rows if arm in row] for arm in ARMS}
    checks = {} if reduced else {f"{arm} was run": bool(parts) for arm, parts in arms.items()}
    sides = {arm: _side(parts) for arm, parts in arms.items() if parts}
    found: dict[str, Any] = {"rules": rules_hash(), "sides": sides}
    blocks = [block for part in arms[REAL_TIME] for block in part["blocks"]]
    if blocks:
        on, off = ([b["latency"]["p99_ms"] for b in blocks if b["learns"] is learns] for learns in (True, False))
        p99 = paired_difference(on, off)
        found["p99_ms"] = {
            "learning": float(np.median(on)), "without": float(np.median(off)), "difference": p99._asdict(),
        }  # fmt: skip
        checks[P99_CHECK] = p99.high <= MAX_P99_MS
        checks["learning in real time gains"] = sides[REAL_TIME]["gain_of_100_updates_s"]["low"] > 0.0
    if len(sides) == len(ARMS):
        gains = [sides[arm]["gain_of_100_updates_s"] for arm in ARMS]
        checks["an update gains what it gains in lock-step"] = gains[0]["high"] >= gains[1]["low"]
    return found | {"checks": checks, "rows": rows, "passed": all(checks.values())}


def _side(parts: list[dict[str, Any]]) -> dict[str, Any]:
    before, after = ([s for part in parts for s in part[key]] for key in ("before_s", "after_s"))
    updates = sum(part["updates"] for part in parts) / len(parts)
    return {
        "decisions": parts[0]["decisions"], "updates": round(updates), "before_s": interval(before),
        "after_s": interval(after), "gain_of_100_updates_s": gain(after, before, updates),
    }  # fmt: skip
